"""A server that belongs to one program: it ends with the program and leaves nothing behind."""

import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import grpc
import pytest

from hashfinder_client import Finder, Query
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.program import Program
from tests.integration.server_process import eventually, listening_ports, server_environment

ENDLESS = HashNameRequest(
    desired_name="doctordoctordoctor", interesting_hamming_distance=15, start_position=256
)
Own = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for temporary files, with a short path."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def own(server_program: Program, folder: Path) -> Iterator[Own]:
    """Start private servers with a pipe as stdin."""
    started: list[subprocess.Popen[str]] = []

    def start(*flags: str, stdin: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
        process = server_program.start(
            ["--no-metrics", "--drain-grace", "0", *flags],
            server_environment({"TMPDIR": str(folder)}),
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in filter(None, (process.stdin, process.stderr)):
            stream.close()


def socket_in(folder: Path) -> Path:
    """Wait for the socket in a new folder in `folder`; return its path."""
    eventually(lambda: bool(list(folder.glob("*/socket"))), "there is a socket", 30)
    [socket] = folder.glob("*/socket")
    return socket


def begun(channel: grpc.Channel) -> Any:  # noqa: ANN401  # a call, of a private class
    """Return a search that has begun and does not end by itself."""
    search = HashFinderStub(channel).FindRange(ENDLESS, wait_for_ready=True, timeout=60)
    next(search)
    return search


def test_only_a_private_socket_is_listened_on(own: Own, folder: Path) -> None:
    """Without metrics there is no port, and other users cannot enter the folder."""
    process = own("--listen", "private")
    socket = socket_in(folder)
    assert 0o700 == socket.parent.stat().st_mode & 0o777
    assert set() == listening_ports(process.pid)
    with Finder(f"unix:{socket}") as finder:
        assert finder.find(Query("doctor", ideal_distance=3)).distance <= 3
    process.send_signal(signal.SIGTERM)
    assert 0 == process.wait(20)
    assert [] == list(folder.iterdir())


def test_end_of_stdin_drains_and_leaves_nothing(own: Own, folder: Path) -> None:
    """The server drains when its parent ends in any way; searches end with a status."""
    process = own("--listen", "private", "--exit-with-stdin")
    with grpc.insecure_channel(f"unix:{socket_in(folder)}") as channel:
        search = begun(channel)
        assert process.stdin is not None
        process.stdin.close()
        with pytest.raises(grpc.RpcError) as ended:
            list(search)
        assert grpc.StatusCode.UNAVAILABLE is ended.value.code()
    assert 0 == process.wait(20)
    assert process.stderr is not None
    assert any("stdin ended" in line for line in process.stderr)
    assert [] == list(folder.iterdir())


def test_server_without_a_stdin_ends_at_once(own: Own, folder: Path) -> None:
    """Without a parent there is nothing to wait for."""
    process = own("--listen", "private", "--exit-with-stdin", stdin=subprocess.DEVNULL)
    assert 0 == process.wait(30)
    assert [] == list(folder.iterdir())


def test_second_signal_leaves_nothing(own: Own, folder: Path) -> None:
    """A second signal ends the drain and the process at once."""
    process = own("--listen", "private", "--drain-grace", "3600")
    with grpc.insecure_channel(f"unix:{socket_in(folder)}") as channel:
        search = begun(channel)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        next(line for line in process.stderr if "draining" in line)
        eventually(lambda: _interrupted(process), "the server is gone")
        search.cancel()
    assert 130 == process.returncode
    assert [] == list(folder.iterdir())


def _interrupted(process: subprocess.Popen[str]) -> bool:
    """Interrupt again: within 0.2 s of the first signal, the second counts as the same one."""
    process.send_signal(signal.SIGINT)
    return process.poll() is not None


def test_server_that_cannot_start_leaves_nothing(own: Own, folder: Path) -> None:
    """The folder is removed if the start fails before or after the socket is made."""
    for flags in (["--kernel", "turbo"], ["--workers", "1024", "--metrics", "--host", "192.0.2.1"]):
        process = own("--listen", "private", *flags)
        assert 1 == process.wait(30)
        assert [] == list(folder.iterdir())


def test_folder_that_cannot_be_made_is_an_error(own: Own, folder: Path) -> None:
    """The reason is printed; the private folder is then that of the system."""
    process = own("--listen", f"unix:{folder}/missing/socket")
    _, log = process.communicate(timeout=30)
    assert 1 == process.returncode
    assert f"cannot listen on unix:{folder}/missing/socket" in log
