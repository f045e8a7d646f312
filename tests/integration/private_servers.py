"""The servers that programs start for themselves, found by their temporary folder."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.integration.server_process import eventually


class PrivateServers:
    """Servers whose socket is in the test's own folder."""

    def __init__(self, folder: Path) -> None:
        """Store the folder, which is the TMPDIR of the programs that start servers."""
        self.folder = folder
        self._mark = f"TMPDIR={folder}\0".encode()

    def running(self) -> list[int]:
        """Return their process ids."""
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if self._is_one(entry)]

    def wait_for_one(self) -> int:
        """Wait for the only server; return its process id."""
        eventually(lambda: bool(self.running()), "a server is started", 30)
        [pid] = self.running()
        return pid

    def wait_for_socket(self) -> Path:
        """Wait for the only server's socket; return its path."""
        eventually(lambda: bool(list(self.folder.glob("*/socket"))), "there is a socket", 30)
        [path] = self.folder.glob("*/socket")
        return path

    def are_gone(self) -> bool:
        """Return whether no process, socket or folder is left."""
        return not self.running() and not any(self.folder.iterdir())

    def wait_until_gone(self) -> None:
        """Return when nothing is left."""
        eventually(self.are_gone, "nothing is left", 30)

    def _is_one(self, entry: Path) -> bool:
        try:
            command, environment = (
                entry.joinpath(name).read_bytes() for name in ("cmdline", "environ")
            )
        except OSError:  # it has ended
            return False
        return self._mark in environment and b"--exit-with-stdin" in command


@contextmanager
def private_servers() -> Iterator[PrivateServers]:
    """Yield the servers of a new folder with a short path; check at the end that none is left."""
    with TemporaryDirectory(dir="/tmp") as name:
        servers = PrivateServers(Path(name))
        yield servers
        try:
            servers.wait_until_gone()
        finally:
            for pid in servers.running():
                os.kill(pid, signal.SIGKILL)
