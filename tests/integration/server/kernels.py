"""Kernels for tests: slow ones, broken ones, and one whose chunks come back in any order."""

import random
import time

from hashfinder.domain.query import Query
from hashfinder.kernel import Scan, load_kernel


class IdleKernel:
    """Finds nothing and uses no CPU: each chunk sleeps for a millisecond."""

    backend = "idle"

    def scan(
        self,
        query: Query,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Return an empty scan of the whole range, later."""
        time.sleep(0.001)
        return Scan(stop, [])


class BrokenKernel:
    """Works, but for one name."""

    backend = "broken"
    name = "broken"
    secret = "the secrets of /etc/shadow"  # noqa: S105  # what an exception's text may hold

    def __init__(self) -> None:
        """Work like the reference."""
        self._kernel = load_kernel("python")

    def scan(
        self,
        query: Query,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Fail for the name."""
        if query.name == self.name:
            raise RuntimeError(self.secret)
        return self._kernel.scan(query, start, stop, best_distance, capacity, halt)


class JitterKernel:
    """Works, but takes a random time for each chunk, so that they come back in any order."""

    backend = "jitter"

    def __init__(self, seed: int) -> None:
        """Take the seed of the delays."""
        self._kernel = load_kernel("python")
        self._random = random.Random(seed)  # noqa: S311  # no secret

    def scan(
        self,
        query: Query,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Scan, then wait for up to 3 ms."""
        scan = self._kernel.scan(query, start, stop, best_distance, capacity, halt)
        time.sleep(self._random.uniform(0, 0.003))
        return scan
