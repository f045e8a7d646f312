"""The progress of a search, as numbers that another process can resume from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RangeCheckpoint:
    """How far a range is searched whose results are not all handed on."""

    number: int
    """Of the range, in the order of ranges."""
    reached: int
    """The first position that is not known to be searched."""
    held: tuple[int, ...] = ()
    """The positions of results that are held back until the ranges before are searched."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a search has come. It belongs to one query and one cut into ranges."""

    ranges: tuple[RangeCheckpoint, ...] = ()
    """In order. Every range before the first of them is searched, and its results are handed on."""
    next_number: int = 0
    """Of the first range that has not been begun."""
    hashes: int = 0
    """Hashes computed in ranges that are searched whole."""
    best: int | None = None
    """The position of the best candidate so far."""
