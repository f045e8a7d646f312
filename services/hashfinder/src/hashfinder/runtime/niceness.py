"""The priority of worker threads."""

import os
import sys
import threading
from contextlib import suppress

_NICENESS = 10


def lower_priority() -> None:
    """Let other threads of the process go before the calling one, where the system allows it.

    The event loop has little to do, and clients wait for it. A system that refuses (seccomp, a
    filter of system calls) costs promptness alone.
    """
    if sys.platform == "linux":  # where each thread has a priority of its own
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
