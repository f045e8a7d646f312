"""The limit on the duration of the process's end."""

import queue
import time

from hashfinder_process.watchdog import Watchdog


def test_armed_watchdog_ends_the_process_in_time() -> None:
    """It ends once, at the time of the first call."""
    ends: queue.Queue[float] = queue.Queue()
    watchdog = Watchdog(ends.put)
    began = time.monotonic()
    watchdog.arm(0.05)
    watchdog.arm(0)
    assert 0.05 == ends.get(timeout=20)
    assert time.monotonic() - began >= 0.05
    time.sleep(0.02)
    assert ends.empty()


def test_unarmed_watchdog_does_nothing() -> None:
    """However long the process runs."""
    ends: queue.Queue[float] = queue.Queue()
    Watchdog(ends.put)
    time.sleep(0.02)
    assert ends.empty()
