"""The standard streams, prepared for whatever stands behind them.

A descriptor may be closed, full, broken, slow, or set not to block by a program that shares it.
stdout loses nothing: what cannot be written raises `OutputError`. stderr is best effort: nothing
that happens to it reaches the results or the exit code.
"""

import errno
import io
import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO, cast

from hashfinder_cli.exit_codes import ExitCode

if TYPE_CHECKING:  # It exists for type checkers alone.
    from _typeshed import ReadableBuffer

PATIENCE = 1.0
"""Seconds that a message waits for a stalled stderr before it is dropped. Until stderr takes
something again, the messages behind it do not wait at all."""
_STDOUT, _STDERR = 1, 2


class OutputError(Exception):
    """stdout cannot be written. Not an OSError, so that no library treats it as its own."""

    def __init__(self, error: OSError) -> None:
        """Take what the write raised."""
        is_broken = error.errno in {errno.EPIPE, errno.ECONNRESET}
        self.code = ExitCode.BROKEN_PIPE if is_broken else ExitCode.FAULT
        """What the program exits with."""
        self.reason = "" if is_broken else error.strerror or str(error)
        """The reason for a person; empty if the reader has exited."""
        super().__init__(self.reason)


def install() -> None:
    """Replace `sys.stdout` and `sys.stderr` by streams that keep these promises.

    A closed descriptor is replaced by /dev/null, so that no socket or file gets its number.
    """
    for descriptor in range(_STDERR + 1):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    stdout = _Closed() if sys.stdout is None else _Output(_STDOUT)
    sys.stdout = _text(stdout, sys.stdout)
    sys.stderr = _text(_BestEffort(_STDERR), sys.stderr)


def reader_is_gone(stream: TextIO) -> bool:
    """Return whether `stream` has no reader any more: a search without a reader must stop.

    Raises:
        OutputError: the stream is closed.
    """
    poll = select.poll()
    poll.register(stream, 0)
    # Not POLLNVAL: on macOS terminals and /dev/null cannot be polled, and answer so.
    return any(mask & (select.POLLERR | select.POLLHUP) for _, mask in poll.poll(0))


def is_writable(descriptor: int, seconds: float | None = 0.0) -> bool:
    """Return whether `PIPE_BUF` bytes can be written without blocking, within `seconds`."""
    # Not poll(), which knows no terminals on macOS. The standard descriptors are below FD_SETSIZE.
    return bool(select.select((), (descriptor,), (), seconds)[1])


class _Output(io.RawIOBase):
    """Writes everything, also where the descriptor does not block."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        left = memoryview(data)
        size = len(left)
        try:
            while left:
                left = left[self._write_some(left) :]
        except OSError as error:
            raise OutputError(error) from error
        return size

    def _write_some(self, data: memoryview) -> int:
        with suppress(BlockingIOError):
            return os.write(self._descriptor, data)
        is_writable(self._descriptor, None)
        return 0


class _BestEffort(_Output):
    """Drops what cannot be written, and what a stalled reader does not take in time."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._is_stalled = False

    def write(self, data: "ReadableBuffer", /) -> int:
        with suppress(OutputError):
            super().write(data)
        return len(memoryview(data))

    def _write_some(self, data: memoryview) -> int:
        patience = 0.0 if self._is_stalled else PATIENCE
        self._is_stalled = not is_writable(self._descriptor, patience)
        # More than a pipe surely has room for could block.
        return len(data) if self._is_stalled else super()._write_some(data[: select.PIPE_BUF])


class _Closed(io.RawIOBase):
    """Replaces a closed stdout."""

    def fileno(self) -> int:
        raise OutputError(OSError(errno.EBADF, "it is closed"))

    def writable(self) -> bool:
        return True

    def write(self, _: "ReadableBuffer", /) -> int:
        return self.fileno()


def _text(raw: io.RawIOBase, before: TextIO | None) -> TextIO:
    # Nothing stays in a buffer, where the interpreter's end would find it and change the exit code.
    return io.TextIOWrapper(
        cast("io.BufferedWriter", raw),  # It writes all, as a buffered writer does.
        encoding=before.encoding if before else "utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )
