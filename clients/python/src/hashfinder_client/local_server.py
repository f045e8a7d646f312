"""A private server for this program, for as long as it needs one."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import unquote

from hashfinder_client.errors import FinderError
from hashfinder_client.numbers import check_seconds
from hashfinder_client.target import UNIX

DEFAULT_START_TIMEOUT = 30.0
"""Seconds."""
_STOP_SECONDS = 10.0
"""How long the server may take to drain; then it is killed."""
_LINES = 5
"""Of the log, that an error shows."""
_MODULE, _PROGRAM = "hashfinder", "hashfinder-server"
_VARIABLES = "HASHFINDER_"
"""How the variables begin that are settings of other servers."""
_FLAGS = (
    *("--listen", "private"),
    "--exit-with-stdin",
    "--no-metrics",
    *("--drain-grace", "0"),
    *("--log-format", "json"),
    # As much as a server can give: what a search may take is the caller's to say.
    *("--maximum-hashes", str(2**64 - 1)),
    *("--maximum-seconds", "31536000"),
    *("--maximum-searches", "2048"),
    *("--maximum-searches-per-client", "2048"),
)


class LocalServerError(FinderError):
    """No private server can be started. The caller installs one, or uses another server."""


class LocalServer:
    """Runs `hashfinder-server` on a unix socket that only this user can reach. A context manager.

    All cores search, without quotas. It ends with the block, and leaves nothing behind; also where
    this program is killed, since it notices the end of its stdin, which this program holds.
    """

    def __init__(self, *, timeout: float = DEFAULT_START_TIMEOUT) -> None:
        """Take how many seconds the start may take; nothing is started before `start`.

        Raises:
            ValueError: the timeout is out of its range.
        """
        self._timeout = check_seconds("timeout", timeout)
        self._log: deque[str] = deque(maxlen=_LINES)
        self._address: str | None = None
        self._is_known = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    @staticmethod
    def is_installed() -> bool:
        """Return whether there is a server to start: in this Python, or on the PATH."""
        return _command() is not None

    def __enter__(self) -> Self:
        """Start it, and wait until it serves.

        Raises:
            LocalServerError: it is not installed, or does not start.
        """
        self.start()
        try:
            _ = self.target
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def start(self) -> None:
        """Start it, and return at once. It must be closed on every way out.

        Raises:
            LocalServerError: it is not installed, or runs already.
        """
        command = _command()
        if command is None:
            message = f"there is no {_PROGRAM} here: install it with pip install {_MODULE}"
            raise LocalServerError(message)
        if self._process is not None:
            message = "the server was started before"
            raise LocalServerError(message)
        variables = {k: v for k, v in os.environ.items() if not k.startswith(_VARIABLES)}  # noqa: TID251 - to pass it on
        try:
            self._process = subprocess.Popen(
                [*command, *_FLAGS],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=variables,
                start_new_session=True,  # Ctrl-C is for this program, which then closes it.
            )
        except OSError as error:
            message = f"{command[0]} cannot be started: {error.strerror}"
            raise LocalServerError(message) from error
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        self._reader = threading.Thread(
            target=self._read, args=[self._process.stderr], name="hashfinder-log", daemon=True
        )
        self._reader.start()

    @property
    def target(self) -> str:
        """Where it serves, for a `Finder`. Waits until it does.

        Raises:
            LocalServerError: it does not start, or not in time.
        """
        if not self._is_known.wait(self._timeout):
            message = f"{_PROGRAM} did not start within {self._timeout:g} s:"
            raise LocalServerError(message + self._last_lines())
        if self._address is None:
            message = f"{_PROGRAM} did not start:"
            raise LocalServerError(message + self._last_lines())
        return self._address

    def close(self) -> None:
        """Let it drain, and wait for its end."""
        if (process := self._process) is None:
            return
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join()
        self._remove_rest()

    def _read(self, stderr: IO[bytes]) -> None:
        """Keep the last lines of the log, and learn the address from it."""
        with stderr:
            for line in stderr:
                text = line.decode(errors="replace").strip()
                self._log.append(text)
                if self._address is None and (address := _address_in(text)) is not None:
                    self._address = address
                    self._is_known.set()
        self._is_known.set()

    def _last_lines(self) -> str:
        return "".join(f"\n  {_in_short(line)}" for line in list(self._log)) or " it says nothing"

    def _remove_rest(self) -> None:
        """Remove the files of a server that was killed."""
        if self._address is not None:
            socket = Path(unquote(self._address.removeprefix(UNIX)))
            with suppress(OSError):
                socket.unlink(missing_ok=True)
                socket.parent.rmdir()


def _command() -> list[str] | None:
    """Return what starts a server; None where there is none."""
    if sys.executable and (spec := find_spec(_MODULE)) is not None and spec.origin is not None:
        # Without -P, a package of the same name in the current folder would be run.
        return [sys.executable, "-P", "-m", _MODULE]
    program = shutil.which(_PROGRAM)
    return None if program is None else [program]


def _event(line: str) -> dict[str, Any]:
    """Return a line of the log as the event that it is; empty where it is none."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _in_short(line: str) -> str:
    """Return what a line of the log says, without its time and its place."""
    event = _event(line)
    said = str(event.get("event", line))
    return f"{said}: {event['reason']}" if "reason" in event else said


def _address_in(line: str) -> str | None:
    """Return the address that a line of the log says the server serves on, if it does."""
    event = _event(line)
    return str(event["grpc"]) if event.get("event") == "serving" and "grpc" in event else None
