"""What a client asks for."""

from dataclasses import dataclass

from hashfinder_rules.query import Query


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A query and where to search."""

    query: Query
    start: int
    """The first position."""
    maximum_hashes: int
    """How many positions to search at most, from 1."""
