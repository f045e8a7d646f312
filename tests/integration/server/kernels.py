"""Kernels for tests: idle ones, broken ones, and one whose chunks return in any order."""

import random
import time

from hashfinder.kernel import Scan, Scanner, load_kernel
from hashfinder_rules.query import Query


class IdleScanner:
    """Finds nothing and uses no CPU: each chunk sleeps for a millisecond."""

    backend = "idle"

    def scan(
        self,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Return an empty scan of the whole range after a millisecond."""
        time.sleep(0.001)
        return Scan(stop, [])


class IdleKernel:
    """Makes scanners that find nothing."""

    backend = "idle"

    def prepare(self, query: Query) -> IdleScanner:
        """Return a scanner that finds nothing."""
        return IdleScanner()


class BrokenScanner(IdleScanner):
    """Fails in every scan."""

    backend = "broken"

    def scan(
        self,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Fail."""
        raise RuntimeError(BrokenKernel.secret)


class BrokenKernel:
    """Works like the reference kernel, except for one name."""

    backend = "broken"
    name = "broken"
    secret = "the secrets of /etc/shadow"  # an exception's text may contain secrets

    def __init__(self) -> None:
        """Create the reference kernel."""
        self._kernel = load_kernel("python")

    def prepare(self, query: Query) -> Scanner:
        """Return a scanner; for the broken name, one that fails."""
        return BrokenScanner() if query.name == self.name else self._kernel.prepare(query)


class JitterScanner:
    """Works, but takes a random time for each chunk."""

    backend = "jitter"

    def __init__(self, scanner: Scanner, numbers: random.Random) -> None:
        """Wrap a scanner; `numbers` draws the delays."""
        self._scanner = scanner
        self._random = numbers

    def scan(
        self,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Scan, then sleep for up to 3 ms."""
        scan = self._scanner.scan(start, stop, best_distance, capacity, halt)
        time.sleep(self._random.uniform(0, 0.003))
        return scan


class JitterKernel:
    """Works, but takes a random time for each chunk, so that chunks return in any order."""

    backend = "jitter"

    def __init__(self, seed: int) -> None:
        """Store the seed of the delays."""
        self._kernel = load_kernel("python")
        self._random = random.Random(seed)  # noqa: S311  # no secret

    def prepare(self, query: Query) -> JitterScanner:
        """Return a scanner with random delays."""
        return JitterScanner(self._kernel.prepare(query), self._random)
