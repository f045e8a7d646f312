"""The file of a unix socket: a live server's is not replaced, and none is left behind."""

import errno
import fcntl
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hashfinder.domain.address import LONGEST_SOCKET_PATH
from hashfinder.transport import socket_file
from hashfinder.transport.socket_file import SocketFile


class Bound:
    """Listening sockets, as gRPC makes them."""

    def __init__(self) -> None:
        """Start without a socket."""
        self.sockets: list[socket.socket] = []

    def __call__(self, path: Path) -> None:
        """Listen at `path`."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        self.sockets.append(listener)

    def close(self) -> None:
        """Close the sockets, leaving files that nobody serves."""
        for each in self.sockets:
            each.close()


@pytest.fixture
def bound() -> Bound:
    """Return a function that binds sockets."""
    return Bound()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path for the socket."""
    return tmp_path / "socket"


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder with a short path: that of `tmp_path` may be too long for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def refusal(path: Path, bind: Callable[[Path], object]) -> OSError:
    """Return why a socket cannot be published; checks that nothing was bound."""
    before = {each: each.lstat().st_ino for each in path.parent.glob("*")}
    with pytest.raises(OSError, match=r".") as refused:
        SocketFile(path).publish(bind)
    assert before == {each: each.lstat().st_ino for each in path.parent.glob("*")}
    return refused.value


def test_socket_is_for_its_user_and_group_and_goes_at_the_end(path: Path, bound: Bound) -> None:
    """The umask is restored; meanwhile no other file is in the folder."""
    file = SocketFile(path)
    mask = os.umask(0)
    try:
        file.publish(bound)
        assert 0 == os.umask(mask)
    finally:
        os.umask(mask)
    found = path.lstat()
    assert stat.S_ISSOCK(found.st_mode)
    assert 0o660 == stat.S_IMODE(found.st_mode)
    assert [path] == list(path.parent.iterdir())
    file.remove()
    file.remove()
    assert [] == list(path.parent.iterdir())
    bound.close()


def test_stale_socket_is_replaced(path: Path, bound: Bound) -> None:
    """A server that was killed leaves one behind."""
    bound(path)
    bound.close()
    SocketFile(path).publish(bound)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    bound.close()


def test_socket_in_use_is_refused(path: Path, bound: Bound) -> None:
    """GRPC alone would replace it."""
    bound(path)
    refused = refusal(path, bound)
    assert (errno.EADDRINUSE, "a server listens there already") == refused.args
    bound.close()


def test_own_socket_is_replaced_while_it_is_served(path: Path, bound: Bound) -> None:
    """A replaced accept loop may still be closing; afterwards both are removed together."""
    file = SocketFile(path)
    file.publish(bound)
    before = path.lstat().st_ino
    file.publish(bound)
    assert before != path.lstat().st_ino
    file.remove()
    assert [] == list(path.parent.iterdir())
    bound.close()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_other_files_are_not_replaced(path: Path, bound: Bound, kind: str) -> None:
    """This includes a symbolic link to a socket."""
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("missing")
    refused = refusal(path, bound)
    assert (errno.EEXIST, "there is a file that is not a socket") == refused.args


def test_missing_folder_is_named(tmp_path: Path, bound: Bound) -> None:
    """It is not created, because a volume may be missing."""
    refused = refusal(tmp_path / "missing" / "socket", bound)
    assert "its folder cannot be used: No such file or directory" == refused.strerror


def test_socket_of_another_is_not_removed(path: Path, bound: Bound) -> None:
    """It has replaced ours."""
    file = SocketFile(path)
    file.publish(bound)
    path.unlink()
    bound(path)
    file.remove()
    assert path.exists()
    bound.close()


def test_nothing_is_left_where_binding_fails(path: Path, bound: Bound) -> None:
    """The error is that of the bind."""

    def fail(made: Path) -> None:
        bound(made)
        message = "refused"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="refused"):
        SocketFile(path).publish(fail)
    assert [] == list(path.parent.iterdir())
    bound.close()


@pytest.mark.parametrize("length", [0, 150])
def test_new_folder_is_for_this_user_alone_and_goes_with_its_socket(
    short_path: Path, bound: Bound, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the folder for temporary files, unless its path is too long for a socket."""
    parent = short_path / ("a" * length)
    parent.mkdir(exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(parent))
    file = SocketFile.in_new_folder()
    folder = file.path.parent
    assert (Path("/tmp") if length else parent) == folder.parent  # noqa: S108  # its new name is
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
    file.publish(bound)
    assert [file.path] == list(folder.iterdir())
    file.remove()
    assert not folder.exists()
    bound.close()


def test_longest_path_of_temporary_files_is_used(
    short_path: Path, bound: Bound, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte more is too long."""
    longest = short_path / (
        "a" * (LONGEST_SOCKET_PATH - len(f"{short_path}//hashfinder-12345678/socket"))
    )
    longest.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(longest))
    file = SocketFile.in_new_folder()
    file.publish(bound)
    assert LONGEST_SOCKET_PATH == len(os.fsencode(file.path))
    file.remove()
    longest = longest.rename(f"{longest}a")
    monkeypatch.setattr(tempfile, "tempdir", str(longest))
    file = SocketFile.in_new_folder()
    assert Path("/tmp") == file.path.parent.parent  # noqa: S108  # its new name is random
    file.remove()
    bound.close()


def test_folder_with_other_files_stays(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only our own files are removed."""
    monkeypatch.setattr(tempfile, "tempdir", str(short_path))
    file = SocketFile.in_new_folder()
    other = file.path.parent / "other"
    other.touch()
    file.remove()
    assert other.exists()


def test_two_servers_do_not_take_one_path(path: Path, bound: Bound) -> None:
    """One of two that start at the same time has it; the other fails."""
    refused: list[OSError] = []

    def start() -> None:
        try:
            SocketFile(path).publish(bound)
        except OSError as error:
            refused.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [errno.EADDRINUSE] * 7 == [error.errno for error in refused]
    assert 1 == len(bound.sockets)
    bound.close()


def test_folder_that_stays_locked_is_an_error(
    path: Path, bound: Bound, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start never waits forever."""
    monkeypatch.setattr(socket_file, "_LOCK_SECONDS", 0.05)
    folder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    assert "its folder is locked" == refusal(path, bound).strerror
    os.close(folder)
