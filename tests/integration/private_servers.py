"""The servers that programs start for themselves: found by their folder for temporary files."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.integration.server_process import eventually


class PrivateServers:
    """Those whose socket is in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which is the TMPDIR of the programs that start them."""
        self.folder = folder
        self._mark = f"TMPDIR={folder}\0".encode()

    def running(self) -> list[int]:
        """Return their process ids."""
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if self._is_one(entry)]

    def wait_for_one(self) -> int:
        """Return the process id of the one that there is, once it is there."""
        eventually(lambda: bool(self.running()), "a server is started", 30)
        [pid] = self.running()
        return pid

    def wait_for_socket(self) -> Path:
        """Return the socket of the one that there is, once it is there."""
        eventually(lambda: bool(list(self.folder.glob("*/socket"))), "there is a socket", 30)
        [path] = self.folder.glob("*/socket")
        return path

    def are_gone(self) -> bool:
        """Return whether there is no process, no socket and no folder."""
        return not self.running() and not any(self.folder.iterdir())

    def wait_until_gone(self) -> None:
        """Return when nothing is left of them."""
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
    """Yield those of a new folder, with a short path; nothing may be left at the end."""
    with TemporaryDirectory(dir="/tmp") as name:
        servers = PrivateServers(Path(name))
        yield servers
        try:
            servers.wait_until_gone()
        finally:
            for pid in servers.running():
                os.kill(pid, signal.SIGKILL)
