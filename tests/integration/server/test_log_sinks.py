"""Whatever state stdin, stdout and stderr are in, the server serves, counts and drains as usual."""

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.program import Program
from tests.integration.samples import Samples, scrape
from tests.integration.server_process import (
    PROGRAM,
    eventually,
    listening_ports,
    server_command,
    server_environment,
    server_flags,
)

DROPPED = "hashfinder_log_lines_dropped_total"
HOPELESS = HashNameRequest(desired_name="hopelessly")
SMALL_QUEUE = "from hashfinder_process import log_writer\nlog_writer._CAPACITY = 500"
Started = Callable[..., AbstractContextManager["Server"]]


class Server:
    """A server that is known only by its process."""

    def __init__(self, process: subprocess.Popen[Any]) -> None:
        """Find its addresses through the operating system."""
        self.process = process
        eventually(lambda: len(listening_ports(process.pid)) == 2, "both ports are open", 30)
        for port in listening_ports(process.pid):
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                try:
                    health(channel)
                    self.address = f"127.0.0.1:{port}"
                except grpc.RpcError:
                    self._metrics_url = f"http://127.0.0.1:{port}/metrics"

    def samples(self) -> Samples:
        """Return the metrics' current values."""
        return scrape(self._metrics_url)

    def work(self, cancels: int = 3) -> None:
        """Find a name, cancel searches, and check that everything is answered and counted."""
        before = self.samples()
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self.address, options=options) as channel:
            stub = HashFinderStub(channel)
            assert "AMA=" == stub.Find(HashNameRequest(desired_name="doc"), timeout=10).secret
            calls = [stub.Find.future(HOPELESS) for _ in range(cancels)]
            eventually(lambda: self.samples().value("hashfinder_searches_active") == cancels, "run")
            for call in calls:
                call.cancel()
            assert health_pb2.HealthCheckResponse.SERVING == health(channel)

        def counted() -> bool:
            moved = self.samples().moved("hashfinder_cancellations_total", before)
            return cancels == sum(moved.values())

        eventually(counted, f"{cancels} cancels counted")

    def drain(self, seconds: float = 8.0) -> None:
        """Stop the server; it must exit 0 soon."""
        self.process.send_signal(signal.SIGTERM)
        assert 0 == self.process.wait(seconds)


def health(channel: grpc.Channel) -> int:
    """Return the health of the server as a whole."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    status: int = stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status
    return status


@pytest.fixture
def started(server_program: Program) -> Started:
    """Run a server with streams that the test chooses; the others are /dev/null.

    `before` is Python code that runs first. A server with closed streams is not forked: what its
    imports open may take their numbers.
    """

    @contextmanager
    def started(
        *flags: str,
        before: str = "",
        closed: tuple[int, ...] = (),
        **streams: Any,  # noqa: ANN401  # Popen's
    ) -> Iterator[Server]:
        chosen = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams}
        process: subprocess.Popen[Any]
        if closed:
            command = without(closed, server_command(*flags, before=before))
            process = subprocess.Popen(command, env=server_environment(), **chosen)
        else:
            arguments, environment = server_flags(*flags), server_environment()
            process = server_program.start(arguments, environment, before=before, **chosen)
        try:
            yield Server(process)
        finally:
            process.kill()
            process.wait()

    return started


def without(descriptors: tuple[int, ...], command: list[str]) -> list[str]:
    """Return a command line that closes descriptors and then runs `command`.

    A shell closes them, since code in a fork of this process could meet gRPC's threads.
    """
    closed = " ".join(f"{descriptor}>&-" for descriptor in descriptors)
    return ["sh", "-c", f'exec "$@" {closed}', "sh", *command]


def lines(data: bytes) -> list[dict[str, Any]]:
    """Return the lines of a log; each must be JSON."""
    return [json.loads(line) for line in data.decode().splitlines()]


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_stream(started: Started, closed: tuple[int, ...], log_format: str) -> None:
    """The server works with a closed stream, as in `hashfinder-server 2>&-`."""
    with started("--log-format", log_format, closed=closed) as server:
        server.work()
        server.drain()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_full_disk(started: Started, log_format: str) -> None:
    """Log lines that cannot be written are counted; the announcement on stdout may be lost."""
    with Path("/dev/full").open("w") as full:
        flags = ("--log-format", log_format)
        with started(*flags, stdout=full, stderr=full) as server:
            server.work()
            eventually(lambda: server.samples().value(DROPPED) >= 5, "lines are counted")
            server.drain()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_reader_that_has_left(started: Started, log_format: str) -> None:
    """A reader that exits does not matter, as with `hashfinder-server 2>&1 | head -n1`."""
    reader, writer = os.pipe()
    with started("--log-format", log_format, stdout=writer, stderr=writer) as server:
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        server.work()
        eventually(lambda: server.samples().value(DROPPED) >= 4, "lines are counted")
        server.drain()


@pytest.mark.parametrize("non_blocking", [False, True])
def test_reader_that_does_not_read(started: Started, *, non_blocking: bool) -> None:
    """The queue fills, further lines are dropped, and the drain waits for no reader.

    Once the reader reads again, every line is whole, and the log says how many are missing.
    """
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, not non_blocking)
    with started("--log-level", "debug", before=SMALL_QUEUE, stderr=writer) as server:
        os.close(writer)
        with grpc.insecure_channel(server.address) as channel:
            for _ in range(3):  # each is a line
                calls = [_check(channel) for _ in range(300)]
                for call in calls:
                    assert health_pb2.HealthCheckResponse.SERVING == call.result(20).status
        server.work()
        dropped = server.samples().value(DROPPED)
        assert dropped > 0

        written = [os.read(reader, 2**20)]
        os.set_blocking(reader, False)
        eventually(lambda: b"log lines dropped" in _gathered(reader, written), "it is reported", 20)
        assert dropped == server.samples().value(DROPPED)
        reports = [line for line in lines(_whole(written)) if line["event"] == "log lines dropped"]
        assert [dropped] == [line["lines"] for line in reports]
        assert "warning" == reports[0]["level"]
        server.drain()
        os.close(reader)


def test_stuck_reader_does_not_hold_up_the_drain(started: Started) -> None:
    """The last lines are lost after half a second."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with started("--log-level", "debug", stdout=writer, stderr=writer) as server:
        os.close(writer)
        with grpc.insecure_channel(server.address) as channel:
            for call in [_check(channel) for _ in range(200)]:
                call.result(20)
        server.work()
        began = time.monotonic()
        server.drain()
        assert time.monotonic() - began < 5
        os.close(reader)


def test_disk_that_has_space_again(started: Started, tmp_path: Path) -> None:
    """Once there is space, the loss is reported, and a line that was cut off is completed."""
    log = tmp_path / "log"
    limit = 4000

    limited = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
"""
    with log.open("ab") as stderr, started(stderr=stderr, before=limited) as server:
        for _ in range(4):
            server.work(cancels=5)
        eventually(lambda: server.samples().value(DROPPED) > 0, "lines are counted")
        assert limit == log.stat().st_size
        command = ["prlimit", f"--pid={server.process.pid}", "--fsize=unlimited"]
        subprocess.run(command, check=True)
        server.work()
        dropped = server.samples().value(DROPPED)
        server.drain()

    reports = [line["lines"] for line in lines(log.read_bytes()) if "lines" in line]
    assert [dropped] == reports
    assert "stopped" == lines(log.read_bytes())[-1]["event"]


@pytest.mark.parametrize("flag", ["--version", "--help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_answer_that_cannot_be_printed_is_an_error(flag: str, unbuffered: str) -> None:
    """Without a traceback, and with neither the exit code of success nor one of Python's own."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, flag],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
            env=server_environment({"PYTHONUNBUFFERED": unbuffered}),
        )
    assert 1 == done.returncode
    assert "hashfinder-server: cannot write to stdout: No space left on device\n" == done.stderr


@pytest.mark.parametrize("flags", [("--port", "x"), ("--nonsense",)])
def test_exit_code_of_a_wrong_setting_does_not_depend_on_stderr(
    server_program: Program, flags: tuple[str, ...]
) -> None:
    """The exit code is 2, whether or not the message can be written."""
    environment = server_environment()
    with Path("/dev/full").open("w") as full:
        done = server_program.run(server_flags(*flags), environment, stderr=full)
    assert 2 == done.returncode
    for closed in ((2,), (1,)):
        command = without(closed, server_command(*flags))
        assert 2 == subprocess.run(command, timeout=30, check=False, env=environment).returncode


def _check(channel: grpc.Channel) -> Any:  # noqa: ANN401  # a future without a public name
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return stub.Check.future(health_pb2.HealthCheckRequest())


def _gathered(reader: int, written: list[bytes]) -> bytes:
    with suppress(BlockingIOError):
        written.append(os.read(reader, 2**20))
    return b"".join(written)


def _whole(written: list[bytes]) -> bytes:
    """Return all lines but the last, which may be incomplete."""
    return b"".join(written).rpartition(b"\n")[0]
