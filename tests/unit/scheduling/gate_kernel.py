"""A kernel whose scans begin and end when the test says so."""

import queue
import threading
from collections.abc import Callable

from hashfinder.kernel import Scan
from hashfinder_rules.query import Query

_PATIENCE_SECONDS = 20.0


class Scanning:
    """A worker in the middle of a scan."""

    def __init__(self, query: Query, start: int, stop: int, halt: bytearray | None) -> None:
        """Begin to scan a range."""
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
        """Whether the scan is to end early."""
        return self._halt is not None and self._halt[0] == 1

    def finish(self, *hits: tuple[int, int]) -> None:
        """Let the scan find `hits`, positions with distances; one at distance 0 ends it."""
        self._hits = list(hits)
        self._gate.set()

    def fail(self, fault: BaseException) -> None:
        """Let the scan raise `fault`."""
        self._fault = fault
        self._gate.set()

    def outcome(self) -> Scan:
        """Wait until told, and return what the test wants to be found."""
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
    """Holds every scan for one query until the test lets it go on."""

    backend = "gate"

    def __init__(self, query: Query, begin: Callable[[Scanning], Scan]) -> None:
        """Take what shows a scan to the test, and waits for it."""
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
        """Show the test that a scan has begun, and wait for it."""
        return self._begin(Scanning(self._query, start, stop, halt))


class GateKernel:
    """Holds every scan until the test lets it go on."""

    backend = "gate"

    def __init__(self) -> None:
        """Begin closed."""
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
        """Whether no scan has begun that the test does not know of."""
        return self._entered.empty()

    def open(self) -> None:
        """Let everything go on, now and later."""
        self._open = True
        for scanning in list(self._all):
            scanning.finish()
