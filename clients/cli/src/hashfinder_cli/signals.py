"""SIGINT and SIGTERM: the first asks for an orderly end, the second ends at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from hashfinder_cli.exit_codes import of_signal

if TYPE_CHECKING:  # It imports gRPC, and the signals have to be in place before that.
    from hashfinder_cli.events import EventQueue

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
HARD_LIMIT = 5.0
"""Seconds from the first signal to an unconditional end, whatever the program hangs in."""


def exit_on_stop_signals() -> None:
    """Let either signal end the process at once, without clean-up or traceback."""
    for stop_signal in STOP_SIGNALS:
        signal.signal(stop_signal, _exit_at_once)


@contextmanager
def reported_to(events: "EventQueue") -> Iterator[None]:
    """Put the first stop signal into `events`; the second one ends the process at once.

    A handler interrupts the main thread anywhere, perhaps with a lock held. So it does nothing but
    what is safe anywhere; whoever takes the event cancels the RPC. From the first signal on the
    process lives for `HARD_LIMIT` seconds at the most, also when it is blocked, as in a write to a
    pipe that nobody reads.
    """
    from hashfinder_cli.events import Interrupted  # noqa: PLC0415 - see above

    def report(signum: int, _frame: FrameType | None) -> None:
        exit_on_stop_signals()
        signal.signal(signal.SIGALRM, lambda *_: os._exit(of_signal(signum)))
        signal.setitimer(signal.ITIMER_REAL, HARD_LIMIT)
        events.put(Interrupted(signum))

    for stop_signal in STOP_SIGNALS:
        signal.signal(stop_signal, report)
    try:
        yield
    finally:
        exit_on_stop_signals()


def _exit_at_once(signum: int, _frame: FrameType | None) -> None:
    os._exit(of_signal(signum))
