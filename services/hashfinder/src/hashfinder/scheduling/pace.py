"""How fast searches are scanned, and how large their chunks are: about a given time long."""

import time

from hashfinder.kernel import Scanner
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm

_FIRST_GUESS = 1e5
"""Blocks a second, before anything was measured."""
_LARGEST_CHUNK = 2**24
_MEASURE_SECONDS = 0.002
_FEWEST_HASHES = 20_000
"""A scan of fewer tells what a call costs, not how fast it hashes."""
_MOST_FIRST_BLOCKS = 4096
"""Blocks in a first step, however fast they are: a hundredth of a usual chunk."""
_FEWEST_FIRST_POSITIONS = 16
"""A first step of fewer finds next to nothing."""
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
    """How fast the newest chunks were scanned: guesses for the next search with the same hash.

    Kept in blocks a second of CPU, so that a rate serves for prefixes and suffixes of any length.
    """

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self._newest: dict[Algorithm, float] = {}
        self._known: dict[Algorithm, float] = {}

    def known(self, query: Query) -> float | None:
        """Return how many positions a second are likely; None if the hash was never measured."""
        blocks = self._known.get(query.scheme.algorithm)
        return blocks and blocks / typical_blocks(query)

    def first_step(self, query: Query, seconds: float) -> int:
        """Return how many positions are scanned within `seconds` for sure; 0 if few, or unknown."""
        rate = self._known.get(query.scheme.algorithm, 0.0)  # in blocks
        positions = min(int(rate * seconds), _MOST_FIRST_BLOCKS) // typical_blocks(query)
        return positions if positions >= _FEWEST_FIRST_POSITIONS else 0

    def guess(self, query: Query) -> float:
        """Return how many positions a second are likely; few if the hash was never measured."""
        return self._newest.get(query.scheme.algorithm, _FIRST_GUESS) / typical_blocks(query)

    def measured(self, query: Query, rate: float, hashes: float) -> None:
        """Note that a search of `query` was scanned at `rate`, in positions a second.

        A scan of few `hashes` is good for a guess only.
        """
        blocks = rate * typical_blocks(query)
        self._newest[query.scheme.algorithm] = blocks
        if hashes >= _FEWEST_HASHES:
            self._known[query.scheme.algorithm] = blocks


def typical_blocks(query: Query) -> int:
    """Return how many blocks one of the later candidates costs."""
    return query.blocks_per_candidate(query.keyspace.longest)


def measure(scanner: Scanner, query: Query) -> float:
    """Return how many positions a second of CPU `scanner` scans, from some milliseconds of it."""
    end = query.keyspace.end
    position, size, spent = end // 2, 16, 0.0
    while True:
        began = time.thread_time()
        stop = scanner.scan(position, min(position + size, end), 0, 1024).stop
        seconds = max(time.thread_time() - began, 1e-9)
        spent += seconds
        # The last scan is the longest: what a call costs beside the hashes hardly counts.
        if seconds >= _MEASURE_SECONDS or spent >= 5 * _MEASURE_SECONDS:
            return (stop - position) / seconds
        position = stop if stop < end else 0
        size *= 2
