"""Bounds how long the end of the process may take."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue


class Watchdog:
    """A thread that ends the process, when nothing else does."""

    def __init__(self, end: Callable[[float], None]) -> None:
        """Take what ends the process, given the seconds that have passed.

        Raises:
            RuntimeError: the thread cannot start.
        """
        self._end = end
        self._armed: SimpleQueue[float] = SimpleQueue()  # safe to use in a signal handler
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def arm(self, seconds: float) -> None:
        """End the process in `seconds` from now. The first call counts."""
        self._armed.put(seconds)

    def _watch(self) -> None:
        seconds = self._armed.get()
        time.sleep(seconds)
        self._end(seconds)
