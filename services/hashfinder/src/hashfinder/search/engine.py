"""One search: hands out ranges of positions and turns the scans into results in order of position.

The range divides into chunks that may be scanned at the same time and come back in any order. Scans
are merged strictly in order, so that results, best candidate and the exact end of the budget do not
depend on who scanned what when.

Not thread-safe: the scheduler's lock guards every call.
"""

from array import array
from bisect import insort
from dataclasses import dataclass
from typing import NamedTuple

from hashfinder.domain.errors import BudgetExhaustedError
from hashfinder.domain.progress import Progress
from hashfinder.kernel import Scan
from hashfinder_rules.candidate import Candidate
from hashfinder_rules.query import Query


@dataclass(frozen=True, slots=True)
class Bounds:
    """What keeps one search's memory bounded."""

    chunks: int
    """How many chunks may be handed out or wait to be merged."""
    hits_per_chunk: int = 1024
    """After how many results a scan comes back early."""
    results: int = 1024
    """With how many results not yet taken a search is parked."""


class Chunk(NamedTuple):
    """A range of positions to scan, `start` up to, not including, `stop`."""

    start: int
    stop: int
    best_distance: int
    """The smallest distance known when the chunk was handed out."""


class Search:
    """A search for `query` in `maximum_hashes` positions from `start`."""

    def __init__(
        self, query: Query, start: int, maximum_hashes: int, *, bounds: Bounds, now: float
    ) -> None:
        """Begin at the time `now`; a range past the keyspace's end is cut there."""
        self.query = query
        self.bounds = bounds
        self.halt = bytearray(1)
        """Becomes 1 when the search ends, for the scans still running: no one waits for them."""
        self._maximum_hashes = maximum_hashes
        self._began = now
        self._start = start
        self._stop = min(start + maximum_hashes, query.keyspace.end)
        self._unclaimed = start  # the first position never handed out
        self._limit = self._stop  # nothing from here on is handed out any more
        self._returned: list[tuple[int, int]] = []  # rests of scans that came back early, in order
        self._claimed = 0  # chunks handed out and not given back
        self._scans: dict[int, Scan] = {}  # by start, given back and not yet merged
        self._merged = start  # every position below is merged
        self._best: Candidate | None = None
        self._results = array("Q")  # positions, not yet taken
        self._found = False
        self._error: Exception | None = None

    @property
    def ended(self) -> bool:
        """Whether the outcome is known: no more chunks, no more results to come."""
        return self._found or self._error is not None

    @property
    def found(self) -> bool:
        """Whether the search ended with an ideal candidate."""
        return self._found

    @property
    def error(self) -> Exception | None:
        """Why the search ended without an ideal candidate; None if it found one, or still runs.

        A `StoppedError`, or the fault of a kernel.
        """
        return self._error

    @property
    def idle(self) -> bool:
        """Whether no chunk is out: the search uses no CPU."""
        return self._claimed == 0

    @property
    def has_results(self) -> bool:
        """Whether there are results to take."""
        return bool(self._results)

    @property
    def parked(self) -> bool:
        """Whether the search waits for its results to be taken."""
        return not self.ended and len(self._results) >= self.bounds.results

    @property
    def runnable(self) -> bool:
        """Whether `claim` has something to hand out."""
        if self.ended or self.parked:
            return False
        # The rest of a scan that the merge waits for always has room: its scan is merged already.
        has_room = self._claimed + len(self._scans) < self.bounds.chunks
        return has_room and (bool(self._returned) or self._unclaimed < self._limit)

    def claim(self, size: int) -> Chunk:
        """Hand out the next chunk, of at most `size` positions. Only while `runnable`."""
        if self._returned:
            start, stop = self._returned.pop(0)
        else:
            start = self._unclaimed
            stop = min(start + size, self._limit)
            self._unclaimed = stop
        self._claimed += 1
        best = self._best.distance if self._best else len(self.query.name) + 1
        return Chunk(start, stop, best)

    def give_back(self, chunk: Chunk, scan: Scan) -> None:
        """Take the scan of a chunk that `claim` handed out."""
        self._claimed -= 1
        if self.ended:
            return
        self._scans[chunk.start] = scan
        if scan.found:
            self._limit = min(self._limit, scan.stop)
            self._returned = [rest for rest in self._returned if rest[0] < self._limit]
        elif scan.stop < min(chunk.stop, self._limit):
            insort(self._returned, (scan.stop, chunk.stop))
        while self._merged in self._scans and not self._found:
            self._merge(self._scans.pop(self._merged))

    def stop(self, error: Exception) -> bool:
        """End the search for the reason `error`; say whether it was the first reason to."""
        if self.ended:
            return False
        self._error = error
        self._scans.clear()
        self.halt[0] = 1
        return True

    def take_results(self) -> list[int]:
        """Return the positions of the results not yet taken, in order."""
        results = self._results.tolist()
        self._results = array("Q")
        return results

    def progress(self, now: float) -> Progress:
        """Return how far the search has come at the time `now`."""
        hashes = self._merged - self._start
        end = self.query.keyspace.end
        return Progress(hashes, self._merged, now - self._began, self._best, end)

    def _merge(self, scan: Scan) -> None:
        if scan.best and (self._best is None or scan.best[1] < self._best.distance):
            self._best = Candidate.at(scan.best[0], self.query)
        self._results.extend(scan.results)
        self._found = scan.found
        self._merged = scan.stop
        if self._merged == self._stop and not self._found:
            self._error = self._exhausted()
        if self.ended:
            self.halt[0] = 1

    def _exhausted(self) -> BudgetExhaustedError:
        if self._stop == self.query.keyspace.end:
            return BudgetExhaustedError(self._stop - self._start, keyspace_ended=True)
        return BudgetExhaustedError(self._maximum_hashes)
