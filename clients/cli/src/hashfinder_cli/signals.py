"""SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from hashfinder_cli.exit_codes import of_signal

if TYPE_CHECKING:  # It takes time to import, and the signals must be in place before that.
    from asyncio import AbstractEventLoop

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
HARD_LIMIT = 5.0
"""Seconds from the first signal to an unconditional end, whatever the program hangs in."""
SAME_PRESS = 0.2
"""Seconds within which the same signal twice is one: a terminal sends Ctrl-C to every process of
its foreground group, and a wrapper that forwards it delivers it again."""


def exit_on_stop_signals() -> None:
    """Let either signal end the process at once, without clean-up or traceback."""
    for stop_signal in STOP_SIGNALS:
        signal.signal(stop_signal, _exit_at_once)


@contextmanager
def reported_to(loop: "AbstractEventLoop", report: Callable[[int], object]) -> Iterator[None]:
    """Call `report` in `loop` with the first stop signal; the second one ends the process.

    From the first signal on the process lives for `HARD_LIMIT` seconds at most. That and the second
    signal do not depend on the loop: a handler of `signal.signal` also runs while the main thread
    is blocked in a system call, such as a write to a pipe that is full.
    """

    def arm(first: int, _frame: FrameType | None) -> None:
        arrived = time.monotonic()

        def again(signum: int, _frame: FrameType | None) -> None:
            if signum != first or time.monotonic() - arrived > SAME_PRESS:
                os._exit(of_signal(signum))

        for stop_signal in STOP_SIGNALS:
            signal.signal(stop_signal, again)
        signal.signal(signal.SIGALRM, lambda *_: os._exit(of_signal(first)))
        signal.setitimer(signal.ITIMER_REAL, HARD_LIMIT)

    for stop_signal in STOP_SIGNALS:
        loop.add_signal_handler(stop_signal, report, stop_signal)
        signal.signal(stop_signal, arm)  # Beside the loop's own handler, which does nothing.
    try:
        yield
    finally:
        for stop_signal in STOP_SIGNALS:
            loop.remove_signal_handler(stop_signal)
        exit_on_stop_signals()


def _exit_at_once(signum: int, _frame: FrameType | None) -> None:
    os._exit(of_signal(signum))
