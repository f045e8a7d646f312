"""Record each search in a server, in its kernel and its handler.

All designs are recorded in the same way, so that they compare: how much of each search was scanned,
and when it had really ended. A search has ended when its handler *and* its last scan have ended.
"""

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hashfinder.kernel import Kernel, Scan, Scanner
from hashfinder_rules.query import Query


class SearchRecorder:
    """Records searches by their names, which must be unique. Safe from any thread."""

    def __init__(self) -> None:
        """Start without records."""
        # Appending to a deque is atomic, so no thread waits for another here.
        self._scans: deque[tuple[str, int, float, float]] = deque()
        self._begun: deque[str] = deque()
        self._ended: deque[tuple[str, float]] = deque()
        self._hashes: Counter[str] = Counter()
        self._last: dict[str, float] = {}
        self._kernel_seconds = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def handling(self, name: str) -> Iterator[None]:
        """Record the begin and the end of the handler of the search `name`."""
        self._begun.append(name)
        try:
            yield
        finally:
            self._ended.append((name, time.monotonic()))

    def scanned(self, name: str, hashes: int, cpu_seconds: float) -> None:
        """Record a scan that has just ended."""
        self._scans.append((name, hashes, cpu_seconds, time.monotonic()))

    def counts(self) -> dict[str, Any]:
        """Return how many handlers have begun and ended, and the memory in use.

        Takes microseconds, however many searches there are.
        """
        return {
            "begun": len(self._begun),
            "ended": len(self._ended),
            "rss": resident_bytes(os.getpid()),
        }

    def snapshot(self) -> dict[str, Any]:
        """Return all records: times of the monotonic clock, and sums since the start.

        Holds the interpreter lock for milliseconds if there are thousands of searches.
        """
        with self._lock:
            wall, cpu = time.monotonic(), time.process_time()
            ends = self._ended.copy()
            ended = dict(ends)
            for _ in range(len(self._scans)):
                name, hashes, seconds, end = self._scans.popleft()
                self._hashes[name] += hashes
                self._last[name] = max(end, self._last.get(name, 0.0))
                self._kernel_seconds += seconds
            return {
                "wall": wall,
                "cpu_seconds": cpu,
                "kernel_seconds": self._kernel_seconds,
                "hashes": dict(self._hashes),
                **self.counts(),
                "running": list(set(self._begun.copy()) - ended.keys()),
                "first_end": dict(reversed(ends)),
                "free_at": {n: max(end, self._last.get(n, 0.0)) for n, end in ended.items()},
                "threads": threading.active_count(),
            }


class RecordedScanner:
    """A `Scanner` that records every scan."""

    def __init__(self, scanner: Scanner, name: str, recorder: SearchRecorder) -> None:
        """Wrap the scanner of the search `name`."""
        self._scanner = scanner
        self._name = name
        self._recorder = recorder

    def scan(
        self,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Scan and record it. See `Scanner.scan`."""
        began = time.thread_time()
        scan = self._scanner.scan(start, stop, best_distance, capacity, halt)
        self._recorder.scanned(self._name, scan.stop - start, time.thread_time() - began)
        return scan


class RecordedKernel:
    """A `Kernel` that records every scan."""

    def __init__(self, kernel: Kernel, recorder: SearchRecorder) -> None:
        """Wrap a kernel."""
        self.backend = kernel.backend
        self._kernel = kernel
        self._recorder = recorder

    def prepare(self, query: Query) -> RecordedScanner:
        """Return a recorded scanner for `query`."""
        return RecordedScanner(self._kernel.prepare(query), query.name, self._recorder)


def resident_bytes(pid: int) -> int:
    """Return the memory that a process has in RAM."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
