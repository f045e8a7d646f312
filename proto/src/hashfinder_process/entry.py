"""How a program begins, before the imports that take time, what its signals do, how it ends."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from hashfinder_process.streams import flush_streams, open_streams

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SAME_SIGNAL_SECONDS = 0.2
"""A terminal signals the whole process group, and a wrapper forwards what it gets: one Ctrl-C may
arrive several times."""
_FOREIGN = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
"""Variables of other programs that change what our libraries do when they are imported."""


class ProgramError(Exception):
    """The program cannot do what it is asked for. The operator acts."""

    code = 1
    """What it exits with."""


def run(program: str, main: Callable[[list[str]], int]) -> NoReturn:
    """Run `main` with the arguments, and end the process with the code that it returns.

    A `ProgramError` is printed on stderr. Until `main` takes the signals, they end the process.
    """
    # The imports take a second, in which PID 1 of a container would ignore a signal.
    for signum in _SIGNALS:
        signal.signal(signum, lambda *_: os._exit(0))
    open_streams()
    # gRPC's core writes lines of its own to stderr, where logs are promised; peers can cause them.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for name in _FOREIGN:
        os.environ.pop(name, None)
    # None is for Python what cannot be imported. Where the command line is installed too, structlog
    # would import rich: a fifth of the time to start, for tracebacks with the values of variables.
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        try:
            code = main(sys.argv[1:])
        except SystemExit as leaving:  # --help, or an unknown flag
            code = int(leaving.code or 0)
        sys.stdout.flush()
    except ProgramError as error:
        _complain(program, str(error))
        code = error.code
    except OSError as error:  # of what is printed: the log raises none
        _complain(program, f"cannot write to stdout: {error.strerror}")
        code = 1
    flush_streams()
    # The end of the interpreter waits for threads: a server that could not listen was seen to hang
    # there. On a busy machine it takes a while, and the watchdog would count that as the drain.
    os._exit(code)


def take_signals(
    drain: Callable[[int], None],
    leave: Callable[[int], None],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Call `drain` at the first SIGINT or SIGTERM, `leave` with 128 + its number at a later one.

    Both are called in the handler, so that they need no event loop, which may be blocked. A signal
    within 0.2 s of the first is the first one again.
    """
    first_at: float | None = None

    def handle(signum: int, _frame: object) -> None:
        nonlocal first_at
        now = clock()
        if first_at is None:
            first_at = now
            drain(signum)
        elif now - first_at > _SAME_SIGNAL_SECONDS:
            leave(128 + signum)

    for signum in _SIGNALS:
        signal.signal(signum, handle)


def _complain(program: str, text: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{program}: {text}\n")
