"""A file that is replaced atomically, and used by one process at a time."""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Self

LARGEST = 64 * 1024 * 1024
"""Bytes that are read: more than a hundred thousand results that are held back take."""
_MODE = 0o600


class InUseError(Exception):
    """Another process uses the file."""


class StateFile:
    """An open file, locked until it is closed.

    The lock is on the file itself, and each new content is a new file: it is locked before it takes
    the name. Another process may have waited with the old one, and so looks again.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        """Take what `open` has made."""
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: str) -> Self:
        """Open and lock a file; create it, empty, where there is none.

        Raises:
            InUseError: another process has it.
            OSError: it cannot be opened.
            ValueError: the path has a NUL in it.
        """
        real = Path(path).resolve()
        while True:
            descriptor = os.open(real, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
            try:
                _lock(descriptor)
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(descriptor), real.stat()):
                        return cls(real, descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def read(self) -> bytes:
        """Return the content, or the first `LARGEST` bytes of it.

        Raises:
            OSError: it cannot be read.
        """
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            return file.read(LARGEST)

    def write(self, content: bytes) -> None:
        """Replace the content, whatever ends the process or the machine meanwhile.

        Raises:
            OSError: it cannot be written; the old content stays.
        """
        new = self._path.with_name(self._path.name + ".tmp")
        with suppress(FileNotFoundError):
            new.unlink()  # of a process that was killed
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            _lock(descriptor)
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            new.replace(self._path)
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):
                new.unlink()
            raise
        os.close(self._descriptor)
        self._descriptor = descriptor
        _sync(self._path.parent)

    def close(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)


def _lock(descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InUseError from error


def _sync(folder: Path) -> None:
    """Make the new name survive a power cut, if the file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
