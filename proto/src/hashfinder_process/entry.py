"""How a program begins: before the imports that take time."""

import os
import signal
import sys

from hashfinder_process.streams import open_streams

_FOREIGN = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
"""Variables of other programs that change what our libraries do when they are imported."""


def enter() -> None:
    """Let a signal end the process, open the standard streams, and keep libraries to their job."""
    # The imports take a second, in which PID 1 of a container would ignore a signal.
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: os._exit(0))
    open_streams()
    # gRPC's core writes lines of its own to stderr, where logs are promised; peers can cause them.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for name in _FOREIGN:
        os.environ.pop(name, None)
    # None is for Python what cannot be imported. Where the command line is installed too, structlog
    # would import rich: a fifth of the time to start, for tracebacks with the values of variables.
    sys.modules["rich"] = None  # type: ignore[assignment]
