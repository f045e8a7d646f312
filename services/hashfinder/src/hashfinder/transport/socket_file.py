"""The file of a unix socket: never taken from a live server, and removed at the end.

gRPC removes whatever socket it finds at a path when it binds it, and removes the path again when
that server ends, which is after its replacement has bound it. So it binds a name of its own, which
then takes the place of the path.
"""

import errno
import fcntl
import os
import secrets
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from hashfinder.domain.address import LONGEST_SOCKET_PATH

_UMASK = 0o117
"""The socket is for its user and its group, 0660; the folder decides who can reach it."""
_LOCK_SECONDS = 2.0
"""How long another server may hold the folder: it checks and binds a socket of its own."""
_LOCK_RETRY_SECONDS = 0.01
_CONNECT_SECONDS = 1.0
_FOLDER_PREFIX = "hashfinder-"
_REST_OF_PATH = 15
"""Bytes: what tempfile puts behind the prefix, and the name of the socket."""
_STALE = (errno.ECONNREFUSED, errno.ENOENT)


class SocketFile:
    """The path of a unix socket, and perhaps a folder for it alone."""

    def __init__(self, path: Path, *, has_own_folder: bool = False) -> None:
        """Take an absolute path, and whether its folder goes with it; make nothing yet."""
        self.path = path
        self._has_own_folder = has_own_folder
        self._inode: int | None = None

    @classmethod
    def in_new_folder(cls) -> Self:
        """Return the path of a socket in a new folder, which only this user can enter.

        It is in the folder for temporary files, which TMPDIR names, or in /tmp where that is too
        long for a socket.

        Raises:
            OSError: there is no such folder, or it cannot be written to.
        """
        parent = Path(tempfile.gettempdir())
        if len(os.fsencode(parent / _FOLDER_PREFIX)) > LONGEST_SOCKET_PATH - _REST_OF_PATH:
            parent = Path("/tmp")  # noqa: S108  # the new folder has a random name and mode 0700
        folder = tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=parent)
        return cls(Path(folder, "socket"), has_own_folder=True)

    def publish(self, bind: Callable[[Path], object]) -> None:
        """Let `bind` make the socket, and give it the path; one that no server uses is replaced.

        Raises:
            OSError: the folder is missing, or the path is taken: by a live server, or by a file
                that is no socket.
        """
        made = self.path.with_name(f"{self.path.name}.{secrets.token_hex(3)}")
        with _lock(self.path.parent):
            self._check_free()
            mask = os.umask(_UMASK)
            try:
                bind(made)
                inode = made.lstat().st_ino
                made.rename(self.path)
            except BaseException:
                made.unlink(missing_ok=True)
                raise
            finally:
                os.umask(mask)
        self._inode = inode

    def remove(self) -> None:
        """Remove the file, unless it has become another one; and its folder, if that is its own."""
        with suppress(OSError):
            if self.path.lstat().st_ino == self._inode:
                self.path.unlink()
        if self._has_own_folder:
            with suppress(OSError):
                self.path.parent.rmdir()

    def _check_free(self) -> None:
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode):
            raise OSError(errno.EEXIST, "there is a file that is not a socket")
        if found.st_ino != self._inode and _is_served(self.path):
            raise OSError(errno.EADDRINUSE, "a server listens there already")


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keep other servers from doing the same in `folder` meanwhile."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        message = f"its folder cannot be used: {error.strerror}"
        raise OSError(error.errno, message) from error
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise OSError(error.errno, "its folder is locked") from error
                time.sleep(_LOCK_RETRY_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _is_served(path: Path) -> bool:
    """Return whether anybody listens; who does not let us ask is taken for a server."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        try:
            probe.connect(str(path))
        except OSError as error:
            return error.errno not in _STALE
    return True
