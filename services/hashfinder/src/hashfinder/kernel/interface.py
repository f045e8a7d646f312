"""The contract of a kernel. The same tests check every implementation."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hashfinder_rules.query import Query


class Scan(NamedTuple):
    """What a kernel found in a range."""

    stop: int
    """One past the last position searched."""
    results: Sequence[int]
    """The positions of the results, in order. Kernels return an ``array("Q")``, which has no object
    for each, so that a scan in which everything hits costs little more than one that finds nothing.
    """
    best: tuple[int, int] | None = None
    """The first position of the smallest distance, and that distance, where it is below the
    `best_distance` that the scan was given."""
    found: bool = False
    """Whether the last result is within the ideal distance, and ended the scan."""


class Scanner(Protocol):
    """Scans ranges of positions for one query. Any number of threads may scan at once."""

    def scan(
        self,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Search the positions from `start` up to, not including, `stop`, in order.

        A *result* is a candidate whose distance is at most the query's `result_distance`. The scan
        ends with the first candidate within its `ideal_distance`, with the `capacity`-th result, at
        `stop`, or soon after `halt`: what it has searched by then counts.

        Args:
            start: the first position, 0 to `stop`.
            stop: one past the last position, at most the end of the query's keyspace.
            best_distance: the smallest distance known so far; for none, above the name's length.
            capacity: how many results to return at most, at least 1.
            halt: one byte, which another thread makes 1 to end the scan within some microseconds.
        """


class Kernel(Protocol):
    """Makes scanners. Stateless: any number of threads may use it at once."""

    @property
    def backend(self) -> str:
        """The implementation and instruction set, as in ``native-avx512``."""

    def prepare(self, query: Query) -> Scanner:
        """Return what scans for `query`, a valid one. Made once for each search, and kept.

        Raises:
            ValueError: a distance is above the name's length.
        """
