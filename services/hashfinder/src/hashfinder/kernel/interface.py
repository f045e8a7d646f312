"""What a kernel is: the contract that every implementation keeps, held by one test body."""

from typing import NamedTuple, Protocol

from hashfinder.domain.query import Query


class Scan(NamedTuple):
    """What a kernel found in a range."""

    stop: int
    """One past the last position searched."""
    hits: list[tuple[int, int]]
    """Pairs of position and distance, in order of position."""


class Kernel(Protocol):
    """Scans ranges of positions. Stateless: any number of threads may scan at once."""

    @property
    def backend(self) -> str:
        """The implementation and instruction set, as in ``native-avx512``."""

    def scan(self, query: Query, start: int, stop: int, best_distance: int, capacity: int) -> Scan:
        """Search the positions from `start` up to, not including, `stop`, in order.

        A *hit* is a candidate whose distance is at most `query.result_distance`, or less than both
        `best_distance` and the distance of every hit before it. The scan ends with the first hit
        within `query.ideal_distance`, with the `capacity`-th hit, or at `stop`.

        Args:
            query: what to search for.
            start: the first position, 0 to `stop`.
            stop: one past the last position, at most 2^64.
            best_distance: the smallest distance known so far; for none, above the name's length.
            capacity: how many hits to return at the most, at least 1.
        """
