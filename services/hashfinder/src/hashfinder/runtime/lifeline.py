"""Notices the end of a program that holds the other end of a stream, however it ended."""

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress

_BYTES = 4096


def watch_end(descriptor: int, call: Callable[[], None]) -> None:
    """Call `call` in a thread of its own, once `descriptor` has nothing more to read, ever.

    What comes before is thrown away.

    Raises:
        RuntimeError: the thread cannot start.
    """

    def watch() -> None:
        with suppress(OSError):
            while _read(descriptor):
                pass
        call()

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def _read(descriptor: int) -> bool:
    """Wait for something to read; return whether there was."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll()
    try:
        return bool(os.read(descriptor, _BYTES))
    except BlockingIOError:  # somebody else has read it
        return True
