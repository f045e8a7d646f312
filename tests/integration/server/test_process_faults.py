"""Faults inside the process: threads that die or cannot start, and a drain that hangs."""

import signal
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.program import Program
from tests.integration.server.endings import Ending, ending_of
from tests.integration.server_process import (
    IDLE_KERNEL,
    ServerProcess,
    eventually,
    server_environment,
    server_flags,
)

StartServer = Callable[..., ServerProcess]
SERVICE = "hash_name.HashFinder"
HOPELESS = HashNameRequest(desired_name="hopelessly")
CAP = 0.0 + 0.5 + 1.5  # delay, grace and margins
SHORT_MARGINS = """
from hashfinder.lifecycle import DrainTimes
DrainTimes.__init__.__defaults__ = (0.5,)
"""
PATCH_KERNEL = """
from hashfinder.kernel.python import PythonScanner
scan = PythonScanner.scan
def broken(self, *arguments):
    if self._query.name == "broken":
        raise {error}
    return scan(self, *arguments)
PythonScanner.scan = broken
"""


def ended(call: Any) -> Ending:  # noqa: ANN401  # a future whose class has no public name
    """Return how a failing call ends."""
    error = call.exception(timeout=20)
    assert isinstance(error, grpc.RpcError)
    return ending_of(error)


def status(server: ServerProcess) -> int:
    """Return the health of the service."""
    with server.channel() as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer: int = stub.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=5).status
    return answer


@pytest.mark.parametrize("call", ["setpriority", "sched_getaffinity"])
@pytest.mark.parametrize("error", ["PermissionError(1)", "OSError(38)"])
def test_refused_niceness_and_affinity_are_harmless(
    server_process: StartServer, call: str, error: str
) -> None:
    """If seccomp refuses them, the workers run at the priority that they have, on all cores."""
    refuse = f"import os\ndef refuse(*_): raise {error}\nos.{call} = refuse"
    server = server_process("--workers", "2", before=refuse)
    with server.stub() as stub:
        assert "AMA=" == stub.Find(HashNameRequest(desired_name="doc"), timeout=10).secret
    assert 2 == server.metric("hashfinder_workers")


@pytest.mark.parametrize("error", ["SystemExit(3)", "BaseException('boom')"])
def test_worker_that_dies_ends_the_process(server_process: StartServer, error: str) -> None:
    """Its search ends INTERNAL, others get the grace; log, metric, health, exit code report it."""
    flags = ("--workers", "2", "--kernel", "python", "--drain-grace", "2")
    server = server_process(*flags, before=PATCH_KERNEL.format(error=error))
    server.faults_expected = True
    with server.stub() as stub:
        other = stub.Find.future(HOPELESS)
        server.wait_for_searches(1)
        ending = ended(stub.Find.future(HashNameRequest(desired_name="broken")))
        assert (grpc.StatusCode.INTERNAL, "INTERNAL_ERROR") == (ending.code, ending.reason)
        assert "boom" not in str(ending)
        eventually(lambda: status(server) == health_pb2.HealthCheckResponse.NOT_SERVING, "seen")
        assert 1 == server.metric("hashfinder_worker_deaths_total")
        assert 1 == server.metric("hashfinder_workers")
        resumable = ended(other)
        assert "SERVER_DRAINING" == resumable.reason
        assert resumable.progress.next_position > 0
    assert 1 == server.wait()
    [died] = server.logs("worker died")
    assert "broken" in str(died["exception"])  # the kernel's frame
    assert ["a worker thread died"] == [line["reason"] for line in server.logs("failed")]


def test_death_of_the_last_worker_leaves_no_search_waiting(server_process: StartServer) -> None:
    """Without workers there is no grace: all searches end at once, and can be resumed."""
    flags = ("--workers", "1", "--kernel", "python", "--drain-grace", "15")
    server = server_process(*flags, before=PATCH_KERNEL.format(error="SystemExit"))
    server.faults_expected = True
    with server.stub() as stub:
        others = [stub.Find.future(HOPELESS) for _ in range(3)]
        server.wait_for_searches(3)
        began = time.monotonic()
        assert (
            grpc.StatusCode.INTERNAL
            == ended(stub.Find.future(HashNameRequest(desired_name="broken"))).code
        )
        assert ["SERVER_DRAINING"] * 3 == [ended(call).reason for call in others]
    assert 1 == server.wait()
    assert time.monotonic() - began < 10


def test_exception_of_the_kernel_ends_its_search_alone(server_process: StartServer) -> None:
    """Any exception of a kernel, MemoryError included, ends only its own search."""
    flags = ("--workers", "1", "--kernel", "python")
    server = server_process(*flags, before=PATCH_KERNEL.format(error="MemoryError"))
    server.faults_expected = True
    with server.stub() as stub:
        broken = stub.Find.future(HashNameRequest(desired_name="broken"))
        assert grpc.StatusCode.INTERNAL == ended(broken).code
        assert "AMA=" == stub.Find(HashNameRequest(desired_name="doc"), timeout=10).secret
    assert 0 == server.metric("hashfinder_worker_deaths_total")


LOSE_PORT = """
import signal
from grpc.aio._server import Server
from hashfinder.transport import listener
listener._REBIND_SECONDS = 0.5
wait, bind, signals, binds = Server.wait_for_termination, listener.Listener._bind, [], []
signal.signal(signal.SIGUSR1, lambda *_: signals.append(1))
async def wait_or_end(self, timeout=None):
    if signals: raise RuntimeError("the accept loop ended")
    return await wait(self, timeout)
def bind_once(self, server):
    binds.append(server)
    if len(binds) > 1: raise listener.BindError("the port is taken")
    return bind(self, server)
Server.wait_for_termination, listener.Listener._bind = wait_or_end, bind_once
"""


def test_lost_port_ends_the_process(server_process: StartServer) -> None:
    """New clients cannot connect, so running searches get the grace, and the process exits 1."""
    server = server_process("--workers", "1", "--drain-grace", "1", before=LOSE_PORT)
    server.faults_expected = True
    with server.stub() as stub:
        search = stub.Find.future(HOPELESS)
        server.wait_for_searches(1)
        server.send(signal.SIGUSR1)
        resumable = ended(search)
        assert "SERVER_DRAINING" == resumable.reason
        assert resumable.progress.next_position > 0
    assert 1 == server.wait()
    assert server.logs("accept loop ended: listening again")
    assert ["the port is taken"] == [line["reason"] for line in server.logs("failed")]


def refusing(threads: str) -> str:
    """Return code that makes the start of some threads fail, as a limit of the system does."""
    return f"""
import threading
start = threading.Thread.start
def refuse(self):
    if {threads}:
        raise RuntimeError("can't start new thread")
    start(self)
threading.Thread.start = refuse
"""


@pytest.mark.parametrize("threads", ["True", "'worker' in self.name", "self.name == 'metrics'"])
def test_threads_that_cannot_start_are_an_error(server_program: Program, threads: str) -> None:
    """It exits 1 with the reason, without a traceback outside of the log."""
    done = server_program.run(server_flags(), server_environment(), before=refusing(threads))
    assert 1 == done.returncode
    assert "can't start new thread" in done.stderr
    assert not done.stderr.startswith("Traceback")


STUCK = {
    "handler that ignores its cancel": """
import asyncio
from hashfinder.transport.servicer import SearchServicer
async def stuck(self, request, context):
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
SearchServicer.Find = stuck
""",
    "handler that blocks the loop": """
import time
from hashfinder.transport.servicer import SearchServicer
async def stuck(self, request, context):
    time.sleep(3600)
SearchServicer.Find = stuck
""",
    "thread of the loop's executor": """
import asyncio, time
from hashfinder.transport.servicer import SearchServicer
async def stuck(self, request, context):
    await asyncio.to_thread(time.sleep, 3600)
SearchServicer.Find = stuck
""",
    "kernel that does not return": """
import time
from hashfinder.kernel.python import PythonScanner
PythonScanner.scan = lambda self, *_: time.sleep(3600)
""",
}

SLOW_ENDS = {
    "thread that is no daemon": "threading.Thread(target=time.sleep, args=(3600,)).start()",
    "function at the interpreter's end": "atexit.register(time.sleep, 3600)",
}


@pytest.mark.parametrize("what", STUCK)
@pytest.mark.parametrize("signals", [1, 2])
def test_drain_ends_within_its_cap(server_process: StartServer, what: str, signals: int) -> None:
    """It exits 1, whatever hangs; a second signal ends it at once."""
    flags = ("--drain-grace", "0.5", "--kernel", "python")
    server = server_process(*flags, before=SHORT_MARGINS + STUCK[what])
    server.faults_expected = True
    with server.stub() as stub:
        call = stub.Find.future(HashNameRequest(desired_name="x"))
        busy = "hashfinder_workers_busy" if "kernel" in what else "grpc_server_started_total"
        eventually(lambda: server.metric(busy) >= 1, "it is stuck")
        began = time.monotonic()
        server.send(signal.SIGTERM)
        if signals == 2:
            time.sleep(0.3)
            server.send(signal.SIGTERM)
        code = server.wait()
        took = time.monotonic() - began
        call.cancel()
    assert (1 if signals == 1 else 143) == code
    assert took < (CAP if signals == 1 else 2) + 2  # plus the machine's delays


@pytest.mark.parametrize("what", SLOW_ENDS)
def test_slow_end_of_the_interpreter_does_not_fail_the_drain(
    server_process: StartServer, what: str
) -> None:
    """The exit code is that of the drain, which ended in time."""
    code = f"import atexit, threading, time\n{SLOW_ENDS[what]}"
    server = server_process(before=SHORT_MARGINS + code)
    server.send(signal.SIGTERM)
    assert 0 == server.wait()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signal_that_arrives_several_times_is_one(
    server_process: StartServer, signum: signal.Signals
) -> None:
    """The server drains: its search ends with a position to resume from, the exit code is 0."""
    server = server_process("--drain-grace", "1", "--kernel", "python", before=IDLE_KERNEL)
    with server.stub() as stub:
        call = stub.Find.future(HOPELESS)
        server.wait_for_searches(1)
        for _ in range(10):
            server.send(signum)
            time.sleep(0.005)
        assert "SERVER_DRAINING" == ended(call).reason
    assert 0 == server.wait()
    assert 1 == len(server.logs("signal"))
