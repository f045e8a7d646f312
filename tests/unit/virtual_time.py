"""Clocks for tests, and an event loop with virtual time: it never waits for a timer."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Skips every wait for a timer. A wait without a timer is a real one."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; if nothing is, skip `timeout` seconds of virtual time."""
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.now += max(0.0, timeout)
        return ready


class FakeClock:
    """A clock that stands still until it is advanced."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at 0 s. Not for loops that threads talk to: their work takes no virtual time."""

    def __init__(self) -> None:
        """Start at 0 s."""
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._virtual.now


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run `scenario` on a loop of virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(scenario)


def now() -> float:
    """Return the running loop's time."""
    return asyncio.get_running_loop().time()
