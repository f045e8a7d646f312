"""SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from hashfinder_cli.exit_codes import of_signal

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
HARD_LIMIT = 5.0
"""Seconds from the first signal to an unconditional end, whatever the program hangs in."""


def exit_on_stop_signals() -> None:
    """Let either signal end the process at once, without clean-up or traceback."""
    for stop_signal in STOP_SIGNALS:
        signal.signal(stop_signal, _exit_at_once)


@contextmanager
def reported(report: Callable[[int], object]) -> Iterator[None]:
    """Call `report` with the first stop signal, in its handler; a second one ends the process.

    From the first signal on the process lives for `HARD_LIMIT` seconds at most. None of this
    depends on an event loop: a handler of `signal.signal` also runs while the main thread is
    blocked in a system call, such as a write to a pipe that is full.
    """
    from hashfinder_process.entry import take_signals  # noqa: PLC0415 - signals are first

    def first(signum: int) -> None:
        signal.signal(signal.SIGALRM, lambda *_: os._exit(of_signal(signum)))
        signal.setitimer(signal.ITIMER_REAL, HARD_LIMIT)
        report(signum)

    take_signals(first, os._exit)
    try:
        yield
    finally:
        exit_on_stop_signals()


def _exit_at_once(signum: int, _frame: FrameType | None) -> None:
    os._exit(of_signal(signum))
