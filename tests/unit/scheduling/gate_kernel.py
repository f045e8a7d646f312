"""A kernel whose scans begin and end under the test's control."""

import queue
import threading
from collections.abc import Callable

from hashfinder.kernel import Scan
from hashfinder_rules.query import Query

_PATIENCE_SECONDS = 20.0


class Scanning:
    """A scan that a worker has begun."""

    def __init__(self, query: Query, start: int, stop: int, halt: bytearray | None) -> None:
        """Begin a scan of a range."""
        self.name = query.name
        self._query = query
        self.start = start
        self.stop = stop
        self._hits: list[tuple[int, int]] = []
        self._fault: BaseException | None = None
        self._gate = threading.Event()
        self._halt = halt

    @property
    def halted(self) -> bool:
        """Whether the scan must end early."""
        return self._halt is not None and self._halt[0] == 1

    def finish(self, *hits: tuple[int, int]) -> None:
        """End the scan with `hits`, positions with distances; one at distance 0 ends the search."""
        self._hits = list(hits)
        self._gate.set()

    def fail(self, fault: BaseException) -> None:
        """End the scan with the exception `fault`."""
        self._fault = fault
        self._gate.set()

    def outcome(self) -> Scan:
        """Wait until the test ends the scan; return its result."""
        if not self._gate.wait(_PATIENCE_SECONDS):
            raise TimeoutError
        if self._fault is not None:
            raise self._fault
        results = [at for at, distance in self._hits if distance <= self._query.result_distance]
        best = min(self._hits, key=lambda hit: hit[1], default=None)
        if best is not None and best[1] == 0:
            return Scan(best[0] + 1, results, best, found=True)
        return Scan(self.stop, results, best)


class GateScanner:
    """Blocks every scan for one query until the test ends it."""

    backend = "gate"

    def __init__(self, query: Query, begin: Callable[[Scanning], Scan]) -> None:
        """Store the query, and the function that shows a scan to the test and waits."""
        self._query = query
        self._begin = begin

    def scan(
        self,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Show the test that a scan has begun, and wait for its end."""
        return self._begin(Scanning(self._query, start, stop, halt))


class GateKernel:
    """Blocks every scan until the test ends it."""

    backend = "gate"

    def __init__(self) -> None:
        """Start blocked."""
        self._entered: queue.Queue[Scanning] = queue.Queue()
        self._all: list[Scanning] = []
        self._open = False

    def prepare(self, query: Query) -> GateScanner:
        """Return a scanner whose scans wait for the test."""
        return GateScanner(query, self._begin)

    def _begin(self, scanning: Scanning) -> Scan:
        self._all.append(scanning)
        self._entered.put(scanning)
        if self._open:
            scanning.finish()
        return scanning.outcome()

    def next(self) -> Scanning:
        """Return the next scan that a worker begins."""
        return self._entered.get(timeout=_PATIENCE_SECONDS)

    @property
    def idle(self) -> bool:
        """Whether the test has seen all scans that have begun."""
        return self._entered.empty()

    def open(self) -> None:
        """Stop blocking, for current and later scans."""
        self._open = True
        for scanning in list(self._all):
            scanning.finish()
