"""The bearer token of a client, from a file. It is sent over TLS, or on this machine, only."""

import os
import re
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from hashfinder_client.proxy import is_local
from hashfinder_client.target import UNIX
from hashfinder_client.tls import Tls, stamp_of

Metadata: TypeAlias = tuple[tuple[str, str], ...]
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,1024}=*")
_FORM = "16 to 1024 letters, digits and ._~+/-, and nothing else but an end of line"
_MOST_BYTES = 4096


class TokenFile:
    """A token that follows its file: the next RPC after a change has the new one. Thread-safe."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read the file.

        Raises:
            ValueError: it cannot be read, or holds no token. The text names the file, and quotes
                nothing of it.
        """
        self._path = Path(path)
        self._lock = threading.Lock()
        self._stamp = stamp_of(self._path)
        self._token = self._read()

    @property
    def is_exposed(self) -> bool:
        """Whether every user of this machine can read the file."""
        try:
            return bool(self._path.stat().st_mode & stat.S_IROTH)
        except OSError:
            return False

    def metadata(self) -> Metadata:
        """Return what an RPC sends. A file that is broken now leaves the former token in use."""
        with self._lock:
            if (stamp := stamp_of(self._path)) != self._stamp:
                # It is being written, perhaps, or cannot be read now: the next RPC tries again.
                with suppress(ValueError):
                    self._token = self._read()
                    self._stamp = stamp
            return (("authorization", f"Bearer {self._token}"),)

    def check_way(self, target: str, tls: Tls | None) -> None:
        """Check that the token cannot be read on the way to `target`.

        Raises:
            ValueError: it would go over a network in plain text.
        """
        if not is_local(target) and (tls is None or target.startswith(UNIX)):
            message = (
                "token_file: a token is sent over TLS, or to a server on this machine, only:"
                f" {target} is neither"
            )
            raise ValueError(message)

    def _read(self) -> str:
        try:
            with self._path.open("rb") as file:
                text = file.read(_MOST_BYTES).decode("ascii", "replace").strip("\r\n")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            message = f"token_file: cannot read {self._path}: {reason}"
            raise ValueError(message) from error
        if not _TOKEN.fullmatch(text):
            message = f"token_file: {self._path} must have a token of {_FORM}"
            raise ValueError(message)
        return text
