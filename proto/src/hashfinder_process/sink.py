"""Writes lines to a file descriptor that may be full, slow, broken, or not block."""

import errno
import os
import time

_RETRY_SECONDS = 0.02
_NEWLINE = ord("\n")


def write_to(descriptor: int, data: bytes) -> tuple[int, OSError | None]:
    """Write `data`, waiting for a slow reader; return how much was written, and what failed."""
    written = 0
    while written < len(data):
        try:
            written += os.write(descriptor, data[written:])
        except BlockingIOError:  # another process made the pipe non-blocking
            time.sleep(_RETRY_SECONDS)
        except OSError as error:
            return written, error
    return written, None


class Sink:
    """Writes whole lines; those that cannot be written are lost."""

    def __init__(self, descriptor: int) -> None:
        """Take where to write."""
        self._descriptor = descriptor
        self._rest = b""  # of a line that was cut

    def write(self, text: str) -> int:
        """Write `text`, which ends with a newline; return how many of its lines are lost.

        It blocks while the reader is slow, and raises nothing.
        """
        data = self._rest + text.encode("utf-8", "backslashreplace")
        written, error = write_to(self._descriptor, data)
        if error is None:
            self._rest = b""
            return 0
        is_cut = data[written - 1] != _NEWLINE if written else bool(self._rest)
        # A disk that is full may have space for the rest later; another reader has no use for it.
        end = data.index(b"\n", written) + 1 if is_cut and error.errno != errno.EPIPE else written
        self._rest = data[written:end]
        return data.count(b"\n", end)
