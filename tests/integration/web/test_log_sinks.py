"""The gateway serves and drains in any state of its standard streams, and if its loop hangs."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gateway_process import get
from tests.integration.program import Program
from tests.integration.samples import Samples, scrape
from tests.integration.server_process import (
    ServerProcess,
    eventually,
    listening_ports,
    server_environment,
)

Started = Callable[..., AbstractContextManager["Gateway"]]
DROPPED = "hashfinder_web_log_lines_dropped"
MAIN = "import sys\nfrom hashfinder_web.__main__ import main\nsys.exit(main())"
HANG = f"""
import time
from hashfinder_web import __main__, app
async def hang(_):
    time.sleep(3600)
app.Application._is_ready = hang
__main__._END_SECONDS = 1.0
{MAIN}
"""
SLOW_END = f"""
import atexit, time
from hashfinder_web import __main__
__main__._END_SECONDS = 5.0
atexit.register(time.sleep, 10)
{MAIN}
"""
DYING_THREAD = f"""
import threading
from hashfinder_web import app
run = app.Application.run
async def dying(self, asked):
    threading.Thread(target=lambda: 1 / 0).start()
    await run(self, asked)
app.Application.run = dying
{MAIN}
"""
STOPPED_WHILE_BUILT = f"""
import os, signal
from hashfinder_web import app
load = app.load_files
def load_files():
    os.kill(os.getpid(), signal.SIGTERM)
    return load()
app.load_files = load_files
{MAIN}
"""
NO_THREADS = f"""
import threading
def refuse(_):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
{MAIN}
"""
FLAGS = ("--port=0", "--drain-grace=0")


class Gateway:
    """A gateway of which only its process is known."""

    def __init__(self, process: subprocess.Popen[Any]) -> None:
        """Get its port from the operating system."""
        self.process = process
        eventually(lambda: bool(listening_ports(process.pid)), "it listens", 30)
        [self.port] = listening_ports(process.pid)

    def find(self) -> int:
        """Return the HTTP status of a search."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", "/find/dad")
        with connection.getresponse() as response:
            response.read()
        connection.close()
        return response.status

    def samples(self) -> Samples:
        """Return what its /metrics says now."""
        return scrape(f"http://127.0.0.1:{self.port}/metrics")

    def end(self, seconds: float = 10.0) -> int:
        """Stop it; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@pytest.fixture
def started(gateway_program: Program) -> Started:
    """Run a gateway on a free port with the streams of the test, the others on /dev/null.

    `code` runs in its place. One whose streams a shell closes is not forked: what its imports open
    may take their numbers.
    """

    @contextmanager
    def started(
        *flags: str,
        code: str = "",
        closed: str = "",
        **streams: Any,  # noqa: ANN401  # as for Popen
    ) -> Iterator[Gateway]:
        chosen = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams}
        arguments, environment = [*FLAGS, *flags], server_environment()
        process: subprocess.Popen[Any]
        if closed:
            shell = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", sys.executable]
            command = [*shell, "-m", "hashfinder_web", *arguments]
            process = subprocess.Popen(command, env=environment, **chosen)
        else:
            process = gateway_program.start(arguments, environment, before=code, **chosen)
        try:
            yield Gateway(process)
        finally:
            process.kill()
            process.wait()

    return started


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_closed_stream(
    started: Started, module_server: ServerProcess, closed: str, log_format: str
) -> None:
    """The gateway serves and exits 0, whatever its parent closed."""
    flags = (f"--server={module_server.address}", f"--log-format={log_format}")
    with started(*flags, closed=closed) as gateway:
        assert 200 == gateway.find()
        assert 0 == gateway.end()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_full_disk(started: Started, module_server: ServerProcess, log_format: str) -> None:
    """The announcement on stdout may be lost."""
    flags = (f"--server={module_server.address}", f"--log-format={log_format}")
    with Path("/dev/full").open("w") as full, started(*flags, stdout=full) as gateway:
        assert 200 == gateway.find()
        assert 0 == gateway.end()


def test_log_that_cannot_be_written_is_counted(
    started: Started, module_server: ServerProcess
) -> None:
    """Each lost line, on a full disk; calls are answered."""
    flags = (f"--server={module_server.address}",)
    with Path("/dev/full").open("w") as full, started(*flags, stderr=full) as gateway:
        assert [200] * 3 == [gateway.find() for _ in range(3)]
        eventually(lambda: gateway.samples().value(DROPPED) >= 4, "lines are counted")
        assert 0 == gateway.end()


@pytest.mark.parametrize("blocks", [True, False])
def test_reader_that_does_not_read_keeps_neither_calls_nor_the_end(
    started: Started, module_server: ServerProcess, *, blocks: bool
) -> None:
    """With a full pipe as stdout and stderr, the gateway serves, and exits 0 in time."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    os.write(writer, bytes(4096))
    os.set_blocking(writer, blocks)
    flags = (f"--server={module_server.address}", "--log-format=console")
    with started(*flags, stdout=writer, stderr=writer) as gateway:
        os.close(writer)
        assert [200] * 3 == [gateway.find() for _ in range(3)]
        assert 0 == gateway.end()
    os.close(reader)


@pytest.mark.parametrize("flag", ["--version", "--help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_answer_that_cannot_be_printed_is_an_error(flag: str, unbuffered: str) -> None:
    """Without a traceback, and with the exit code 1."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, flag],
            env=server_environment({"PYTHONUNBUFFERED": unbuffered}),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert (1, "hashfinder-web: cannot write to stdout: No space left on device\n") == (
        done.returncode,
        done.stderr,
    )


def test_error_that_nobody_caught_is_in_the_log(started: Started, tmp_path: Path) -> None:
    """As a line like all others, and not as a traceback beside them."""
    log = tmp_path / "log"
    with log.open("wb") as stderr, started(code=DYING_THREAD, stderr=stderr) as gateway:
        eventually(lambda: "serving" in log.read_text(), "it serves", 30)
        assert 0 == gateway.end()
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert "thread died" in events


@contextmanager
def hanging(started: Started, code: str, log: Path) -> Iterator[Gateway]:
    """Run a gateway that logs to a file, and let its event loop hang."""
    with log.open("wb") as stderr, started(code=code, stderr=stderr) as gateway:
        eventually(lambda: "serving" in log.read_text(), "it serves", 30)
        with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
            connection.sendall(get("/readyz"))
            time.sleep(1)
            yield gateway


def test_drain_ends_if_the_event_loop_hangs(started: Started, tmp_path: Path) -> None:
    """The process exits 1 soon after its grace, and the log says why."""
    with hanging(started, HANG, tmp_path / "log") as gateway:
        assert 1 == gateway.end(8)
    assert "the drain did not end within 1 s" in (tmp_path / "log").read_text()


def test_slow_end_of_the_interpreter_does_not_fail_the_drain(
    started: Started, tmp_path: Path
) -> None:
    """The exit code is that of the drain, which ended in time."""
    log = tmp_path / "log"
    with log.open("wb") as stderr, started(code=SLOW_END, stderr=stderr) as gateway:
        eventually(lambda: "serving" in log.read_text(), "it serves", 30)
        assert 0 == gateway.end(9)
    assert "stopped" in log.read_text()


def test_second_signal_ends_a_loop_that_hangs(started: Started, tmp_path: Path) -> None:
    """At once, with the signal's exit code."""
    with hanging(started, HANG.replace("= 1.0", "= 60.0"), tmp_path / "log") as gateway:
        gateway.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        assert 143 == gateway.end(5)


def test_signal_between_listening_and_serving_drains(gateway_program: Program) -> None:
    """From the moment that it listens, a signal is a drain."""
    done = gateway_program.run(FLAGS, server_environment(), before=STOPPED_WHILE_BUILT)
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert (0, ["serving", "draining", "stopped"]) == (done.returncode, events)


def test_threads_that_cannot_start_are_an_error(gateway_program: Program) -> None:
    """Exit code 1, and a sentence instead of a traceback."""
    done = gateway_program.run(FLAGS, server_environment(), before=NO_THREADS)
    assert (1, "hashfinder-web: cannot start: can't start new thread\n") == (
        done.returncode,
        done.stderr,
    )
