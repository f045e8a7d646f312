"""What a client asks for."""

from typing import NamedTuple

from hashfinder_rules.query import Query


class SearchRequest(NamedTuple):
    """A query and where to search."""

    query: Query
    start: int
    """The first position."""
    maximum_hashes: int
    """How many positions to search at most, from 1."""
