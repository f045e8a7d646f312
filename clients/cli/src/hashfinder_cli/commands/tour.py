"""A tour of a server: real searches, stopped in every way, each checked by its exit code.

Runs this program's own `find` in processes of their own, as a person would type it, so that the
Ctrl-C in it is a real one.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.options.groups import words_of
from hashfinder_cli.options.search import SearchConnection
from hashfinder_cli.private_server import connected
from hashfinder_cli.view.explanations import no_private_server
from hashfinder_client.local_server import LocalServerError

_SHOWN_LINES = 6
_LONGEST_SECONDS = 120.0
_CTRL_C_AFTER_SECONDS = 2.5
_HOPELESS_NAME = "abcdefghijklmnop"


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop of the tour: a search and how it ends."""

    title: str
    arguments: tuple[str, ...]
    expected: ExitCode
    interrupt_after: float | None = None
    """After how many seconds to press Ctrl-C; None for never."""


STOPS = (
    Stop("A search that finds", ("doctor",), ExitCode.FOUND),
    Stop(
        "A stream of inferior candidates, which ends with the ideal one",
        ("robot", "--show-inferior", "1"),
        ExitCode.FOUND,
    ),
    Stop(
        "A hopeless search, cancelled by Ctrl-C",
        (_HOPELESS_NAME, "--progress"),
        ExitCode.INTERRUPTED,
        _CTRL_C_AFTER_SECONDS,
    ),
    Stop(
        "A budget that runs out",
        (_HOPELESS_NAME, "--maximum-hashes", "100000000"),
        ExitCode.BUDGET_SPENT,
    ),
    Stop("A deadline", (_HOPELESS_NAME, "--timeout", "1"), ExitCode.DEADLINE),
    Stop("A request that makes no sense", ("do-ctor",), ExitCode.INVALID),
)


def tour(connection: SearchConnection) -> ExitCode:
    """Show every stop against the server of `connection`.

    Returns:
        FOUND if each ended as it should, FAULT if not, UNAVAILABLE without a private server.
    """
    try:
        with connected(connection) as reached:
            words = ["--server", reached.server] if reached.local else words_of(reached)
            wrong = [stop.title for stop in STOPS if not _run(stop, words)]
    except LocalServerError as error:
        ending = no_private_server(error)
        print(ending.sentence, file=sys.stderr)
        return ending.code
    for title in wrong:
        print(f"Unexpected end: {title}", file=sys.stderr)
    return ExitCode.FAULT if wrong else ExitCode.FOUND


def _run(stop: Stop, connection: list[str]) -> bool:
    command = ["find", *stop.arguments]
    print(f"\n# {stop.title}\n$ hashfinder {shlex.join(command)}", flush=True)
    program = [sys.executable, "-m", "hashfinder_cli", *command, *connection]
    # Variables have done their part: they are in `connection`, or meant for another server.
    own = {name: value for name, value in os.environ.items() if not name.startswith("HASHFINDER_")}
    began = time.monotonic()
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=own
    ) as process:
        try:
            text, took = _wait(process, stop.interrupt_after)
        finally:
            process.kill()
    for line in _abridged(text.splitlines()):
        print(f"  {line}")
    ended = f"exit {process.returncode} after {time.monotonic() - began:.1f} s"
    print(f"  [{ended}]" if took is None else f"  [{ended}, {took:.2f} s after Ctrl-C]", flush=True)
    return process.returncode == stop.expected


def _wait(
    process: subprocess.Popen[str], interrupt_after: float | None
) -> tuple[str, float | None]:
    """Return what a process printed, and how many seconds after Ctrl-C it ended."""
    if interrupt_after is None:
        return process.communicate(timeout=_LONGEST_SECONDS)[0], None
    with suppress(subprocess.TimeoutExpired):
        return process.communicate(timeout=interrupt_after)[0], None
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=_LONGEST_SECONDS)
    return text, time.monotonic() - pressed


def _abridged(lines: list[str]) -> list[str]:
    left_out = len(lines) - _SHOWN_LINES
    if left_out <= 1:
        return lines
    half = _SHOWN_LINES // 2
    return [*lines[:half], f"... {left_out} more ...", *lines[-half:]]
