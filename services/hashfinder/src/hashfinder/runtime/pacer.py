"""Keeps the process below its CPU quota, so that the system does not pause it.

A cgroup that has used up its quota stands still until the next period, up to a tenth of a second:
the event loop, too. Instead one worker takes only what all other threads leave.
"""

import math
import time
from collections.abc import Callable

_USED = 0.97
"""The part of the quota that is used: the system counts in slices, and somewhat late."""
_SAVED_SECONDS = 0.01
"""How much unused time counts later. The system saves none from one period to the next."""
_OWED_SECONDS = 0.1
_NEGLIGIBLE_SECONDS = 0.0001
_LONGEST_PAUSE_SECONDS = 0.05


class Pacer:
    """Compares the CPU time of the process with a quota."""

    def __init__(
        self,
        quota: float,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        """Take the quota in cores, infinity for none."""
        self._rate = quota * _USED
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._balance = 0.0  # in CPU seconds
        self._wall = clock()
        self._cpu = cpu_clock()

    def pause(self) -> float:
        """Return for how many seconds a thread has to wait until there is CPU time left for it.

        For one thread alone; it asks again when it has waited.
        """
        if math.isinf(self._rate):
            return 0.0
        wall, cpu = self._clock(), self._cpu_clock()
        self._balance += (wall - self._wall) * self._rate - (cpu - self._cpu)
        self._wall, self._cpu = wall, cpu
        saved, owed = (seconds * self._rate for seconds in (_SAVED_SECONDS, _OWED_SECONDS))
        self._balance = max(-owed, min(saved, self._balance))
        if self._balance > -_NEGLIGIBLE_SECONDS:
            return 0.0
        part = self._rate % 1 or 1.0  # at least, while the whole cores are busy
        return min(-self._balance / part, _LONGEST_PAUSE_SECONDS)
