"""How large a chunk is: so many positions as take about a given time."""

from hashfinder.kernel import Scanner
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm

_FIRST_GUESS = 1e5
"""Blocks a second, before anything of the kind was measured."""
_LARGEST_CHUNK = 2**24
_SMOOTHING = 0.5
"""The weight of the newest chunk in a search's estimated rate."""


class Pace:
    """How fast a search is scanned."""

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self.rate: float | None = None
        """Positions a second."""

    def chunk_size(self, seconds: float, guess: float) -> int:
        """Return how many positions take about `seconds`; at the rate `guess` if none is known."""
        return max(1, min(_LARGEST_CHUNK, int((self.rate or guess) * seconds)))

    def measured(self, hashes: int, seconds: float) -> None:
        """Correct the rate by one more chunk."""
        if hashes and seconds:
            rate = hashes / seconds
            self.rate = rate if self.rate is None else self.rate + _SMOOTHING * (rate - self.rate)


class Rates:
    """How fast the newest chunks of each kind of search were scanned: guesses for the next search.

    A kind is a backend with a hash. Its rate is in blocks a second of CPU, so that it serves for
    prefixes and suffixes of any length.
    """

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self._blocks: dict[tuple[str, Algorithm], float] = {}

    def known(self, scanner: Scanner, query: Query) -> float | None:
        """Return how many positions a second are likely; None if the kind was never measured."""
        blocks = self._blocks.get((scanner.backend, query.scheme.algorithm))
        return blocks and blocks / _typical_blocks(query)

    def guess(self, scanner: Scanner, query: Query) -> float:
        """Return how many positions a second are likely; few if the kind was never measured."""
        return self.known(scanner, query) or _FIRST_GUESS / _typical_blocks(query)

    def measured(self, scanner: Scanner, query: Query, rate: float) -> None:
        """Note that a search of `query` was scanned at `rate`, in positions a second."""
        kind = (scanner.backend, query.scheme.algorithm)
        self._blocks[kind] = rate * _typical_blocks(query)


def _typical_blocks(query: Query) -> int:
    """Return how many blocks one of the later candidates costs."""
    return query.blocks_per_candidate(query.keyspace.length_at(query.keyspace.end - 1))
