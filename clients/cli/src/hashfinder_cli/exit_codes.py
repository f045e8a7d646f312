"""The exit codes, in one place: scripts depend on them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How the program ended."""

    FOUND = 0
    FAULT = 1
    USAGE = 2
    BUDGET_SPENT = 3
    DEADLINE = 4
    UNAVAILABLE = 5
    INVALID = 6
    BUSY = 7
    UNTRUE = 8
    DENIED = 9
    STOPPED = 10
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


MEANINGS = {
    ExitCode.FOUND: "found; healthy",
    ExitCode.FAULT: "an unexpected fault, most likely of the server",
    ExitCode.USAGE: "wrong usage: nothing was sent",
    ExitCode.BUDGET_SPENT: "not found within the hashes, or the server's time, of one search",
    ExitCode.DEADLINE: "not found within --timeout",
    ExitCode.UNAVAILABLE: "no connection, or the server is shutting down or not healthy",
    ExitCode.INVALID: "the server refused the request as invalid",
    ExitCode.BUSY: "your quota is used up, or the server is full: try later",
    ExitCode.UNTRUE: "the server sent a result that is not true",
    ExitCode.DENIED: "the server does not know you, or does not let you do this",
    ExitCode.STOPPED: "the server's operator has stopped the search",
    ExitCode.INTERRUPTED: "cancelled by SIGINT (Ctrl-C)",
    ExitCode.BROKEN_PIPE: "cancelled because the reader of the output has left",
    ExitCode.TERMINATED: "cancelled by SIGTERM",
}

# \b keeps the lines of a paragraph as they are.
EPILOG = "\n".join(["\b", "Exit codes:", *(f"{code:5}  {MEANINGS[code]}" for code in MEANINGS)])
"""The table of the exit codes, at the end of a command's help."""


def of_signal(signum: int) -> int:
    """Return the exit code of a program that signal `signum` ended, as shells count it."""
    return 128 + signum
