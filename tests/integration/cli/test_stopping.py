"""What stops a search on the client's side: signals, and readers that exit."""

import fcntl
import shlex
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from itertools import count
from typing import IO

import grpc
import pytest

from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse, SearchProgress
from tests.integration.scripted import ServeScript, Start, valid_response


@pytest.fixture
def began() -> threading.Event:
    """Set by the scripts when they have sent all their messages."""
    return threading.Event()


@pytest.fixture
def silent(serve_script: ServeScript, began: threading.Event, ended: threading.Event) -> str:
    """The address of a server that reports progress once, and then nothing until it is stopped."""

    def script(
        request: HashNameRequest, context: grpc.ServicerContext
    ) -> Iterator[HashNameResponse]:
        context.add_callback(ended.set)
        if request.HasField("progress_interval"):
            yield HashNameResponse(progress=SearchProgress(hashes_computed=7, next_position=4711))
        began.set()
        ended.wait(40)
        yield HashNameResponse()

    return serve_script(script)


@pytest.fixture
def talkative(serve_script: ServeScript, ended: threading.Event) -> str:
    """The address of a server that streams valid results without end."""

    def script(
        request: HashNameRequest, context: grpc.ServicerContext
    ) -> Iterator[HashNameResponse]:
        context.add_callback(ended.set)
        for number in count():
            if ended.is_set():
                return
            yield valid_response(request.desired_name, number.to_bytes(3))

    return serve_script(script)


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    ("option", "stderr"),
    [
        (
            [],
            (
                "Cancelled.\n"
                "A plain search reports no position; with --progress it can be resumed.\n"
            ),
        ),
        (
            ["--show-inferior", "1"],
            (
                "Cancelled.\n"
                "To continue, resume with --start-position 4711:\n"
                "  hashfinder find --server SERVER --show-inferior 1 --start-position 4711 doctor\n"
            ),
        ),
    ],
    ids=["unary", "stream"],
)
def test_signal(
    start: Start,
    silent: str,
    began: threading.Event,
    ended: threading.Event,
    stop: signal.Signals,
    code: int,
    option: list[str],
    stderr: str,
) -> None:
    """A signal cancels the RPC on the server, prints how to resume, and has its own exit code."""
    process = start("find", "doctor", *option, "--server", silent)
    assert began.wait(20)
    time.sleep(0.3)  # until the progress message has arrived
    sent = time.monotonic()
    process.send_signal(stop)
    stdout, told = process.communicate(timeout=20)

    assert ended.wait(10)
    assert time.monotonic() - sent < 4
    assert (code, "") == (process.returncode, stdout)
    assert stderr.replace("SERVER", silent) == told


@pytest.mark.parametrize(("second", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_second_signal_ends_at_once(
    start: Start, talkative: str, ended: threading.Event, second: signal.Signals, code: int
) -> None:
    """A second signal ends the process if the first has to wait, here for a stalled reader."""
    process = start("find", "=x", "--show-inferior", "2", "--server", talkative)
    _wait_until_stalled(process)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None

    sent = time.monotonic()
    process.send_signal(second)

    assert code == process.wait(20)
    assert time.monotonic() - sent < 2
    assert ended.wait(10)


def test_signal_while_the_reader_is_stalled(
    start: Start, talkative: str, ended: threading.Event
) -> None:
    """A process that hangs in a write ends within the hard limit after one signal."""
    process = start("find", "=x", "--show-inferior", "2", "--server", talkative)
    _wait_until_stalled(process)

    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)

    assert 143 == process.wait(30)
    assert time.monotonic() - sent < 10
    assert ended.wait(10)


def _wait_until_stalled(process: subprocess.Popen[str]) -> None:
    """Wait until the pipe is full, so that the process blocks in a write."""
    assert process.stdout is not None
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    before, now = -1, 0
    while not now or before != now:
        time.sleep(0.5)
        before, now = now, _bytes_in(process.stdout)


def _bytes_in(pipe: IO[str]) -> int:
    answer = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


@pytest.mark.parametrize("module", ["hashfinder_cli.streams", "hashfinder_cli.app", "grpc"])
def test_signal_during_the_imports(module: str) -> None:
    """They take time: Ctrl-C has its exit code and no traceback from the first of them on."""
    command = [sys.executable, "-c", PRESS.format(module=module)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (130, "", "") == (ended.returncode, ended.stdout, ended.stderr)


PRESS = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv[1:] = ["find", "doctor", "--server", "127.0.0.1:1"]
from hashfinder_cli.__main__ import main
main()
"""


def test_end_of_the_interpreter_is_left_out(start: Start) -> None:
    """It takes a while, and would give the signals, and the alarm of the first, to the system."""
    process = start("--version", before="import atexit, os; atexit.register(os._exit, 77)")
    stdout, _ = process.communicate(timeout=30)
    assert stdout.startswith("hashfinder ")
    assert 0 == process.returncode


def test_signal_while_nothing_answers(start: Start) -> None:
    """Ctrl-C also ends a search that has not reached the server, without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(20)
        server = f"127.0.0.1:{mute.getsockname()[1]}"
        processes = [start("find", "doctor", "--server", server)]
        processes.append(start("health", "--timeout", "40", "--server", server))
        connections = [mute.accept() for _ in processes]
        for process in processes:
            process.send_signal(signal.SIGINT)

        told = [process.communicate(timeout=20) for process in processes]

    assert [130, 130] == [process.returncode for process in processes]
    assert "Cancelled." in told[0][1]
    assert ("", "") == told[1]
    for connection, _ in connections:
        connection.close()


def test_broken_pipe(start: Start, talkative: str, ended: threading.Event) -> None:
    """A reader that exits, like `head`, ends the search silently."""
    process = start("find", "=x", "--show-inferior", "2", "--server", talkative)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()

    assert 141 == process.wait(20)
    assert ended.wait(10)
    assert "" == process.stderr.read()


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["lines", "json"])
def test_full_disk(
    start: Start, talkative: str, ended: threading.Event, options: list[str]
) -> None:
    """A result that cannot be written ends the search with an error message."""
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device
        asked = ["find", "=x", "--show-inferior", "2", *options, "--server", talkative]
        process = start(*asked, stdout=full)

    _, stderr = process.communicate(timeout=20)

    assert (1, "Cannot write the results: No space left on device.\n") == (
        process.returncode,
        stderr,
    )
    assert ended.wait(10)


@pytest.mark.parametrize("options", [[], ["--progress"], ["--json"]])
def test_reader_gone_before_there_is_a_result(
    start: Start,
    silent: str,
    began: threading.Event,
    ended: threading.Event,
    options: list[str],
) -> None:
    """A closed stdout is noticed even if there is nothing to write."""
    process = start("find", "doctor", *options, "--server", silent)
    assert began.wait(20)
    assert process.stdout is not None
    process.stdout.close()

    assert 141 == process.wait(20)
    assert ended.wait(10)


def test_signal_that_arrives_twice_is_one(
    start: Start, silent: str, began: threading.Event, ended: threading.Event
) -> None:
    """A Ctrl-C that a wrapper forwards as well counts once: the end still says how to resume."""
    process = start("find", "doctor", "--show-inferior", "1", "--server", silent)
    assert began.wait(20)
    time.sleep(0.3)  # until the progress message has arrived
    process.send_signal(signal.SIGINT)
    time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)

    assert ended.wait(10)
    assert (130, "") == (process.returncode, stdout)
    assert "resume with --start-position 4711" in stderr


@pytest.mark.parametrize(
    "options",
    [[], ["--progress-interval", "0.1"], ["--shards", "2", "--range-size", "1000"]],
    ids=["unary", "stream", "shards"],
)
def test_signal_after_some_of_several_matches(
    start: Start, serve_script: ServeScript, ended: threading.Event, options: list[str]
) -> None:
    """The printed command resumes after the last match, for the remaining number of matches."""
    under_way = threading.Event()

    def script(
        request: HashNameRequest, context: grpc.ServicerContext
    ) -> Iterator[HashNameResponse]:
        position = request.start_position
        if position in {0, 1}:  # the first two of four are sent
            yield valid_response(request.desired_name, bytes(position), position)
            return
        stopped = threading.Event()
        context.add_callback(stopped.set)
        if position == 2:
            context.add_callback(ended.set)
            under_way.set()
        stopped.wait(40)
        yield HashNameResponse()

    server = serve_script(script)
    asked = ["find", "doc", "--ideal-distance", "3", "--count", "4", "--server", server]
    process = start(*asked, *options)
    assert under_way.wait(20)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)

    assert ended.wait(10)
    assert 130 == process.returncode
    assert ["0", "1"] == [line.split("\t")[1] for line in stdout.splitlines()]
    assert "Found 2 of 4. Cancelled.\nTo continue, resume with --start-position 2:\n" in stderr
    command = shlex.split(stderr.splitlines()[-1])
    left = {
        option: command[command.index(option) + 1] for option in ("--count", "--start-position")
    }
    assert {"--count": "2", "--start-position": "2"} == left
