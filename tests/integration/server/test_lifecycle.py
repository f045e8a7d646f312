"""The server's process: it drains on the first signal, exits on the second; what clients see."""

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.server.brute_force import received, score
from tests.integration.server.endings import Ending, ending_of
from tests.integration.server_process import ServerProcess, eventually

HOPELESS = HashNameRequest(desired_name="hopelessly", start_position=5)
SIGNALS = (signal.SIGTERM, signal.SIGINT)

StartServer = Callable[..., ServerProcess]


def ended(call: Any) -> Ending:  # noqa: ANN401  # a future whose class has no public name
    """Return how a failing call ends."""
    error = call.exception()
    assert isinstance(error, grpc.RpcError)
    return ending_of(error)


@pytest.mark.parametrize("signum", SIGNALS)
def test_signal_drains(server_process: StartServer, signum: signal.Signals) -> None:
    """Searches may run for the grace period; longer ones end with the position to resume from."""
    server = server_process("--drain-grace", "1")
    with server.stub() as stub:
        survivors = [stub.Find.future(HOPELESS) for _ in range(3)]
        server.wait_for_searches(3)
        began = time.monotonic()

        server.send(signum)
        endings = [ended(call) for call in survivors]
        assert 0.9 < time.monotonic() - began < 5

    assert 0 == server.wait()
    for ending in endings:
        assert grpc.StatusCode.UNAVAILABLE == ending.code
        assert "SERVER_DRAINING" == ending.reason
        assert 5 + ending.progress.hashes_computed == ending.progress.next_position
        best = received(ending.progress.best_candidate)
        assert score(best.position, "hopelessly") == best
    assert [signum.name] == [line["name"] for line in server.logs("signal")]
    assert "stopped" == server.logs()[-1]["event"]
    assert ["shutdown"] * 3 == [line["cause"] for line in server.logs("rpc ended")]


def test_search_that_ends_within_the_grace_is_not_disturbed(server_process: StartServer) -> None:
    """A running search continues, and the server waits no longer than it takes."""
    server = server_process("--drain-grace", "30", "--kernel", "python")
    with server.stub() as stub:
        call = stub.Find.future(HashNameRequest(desired_name="hopelessly", maximum_hashes=20_000))
        server.wait_for_searches(1)
        server.send(signal.SIGTERM)
        ending = ended(call)
        assert "HASH_BUDGET_EXHAUSTED" == ending.reason
        assert 20_000 == ending.progress.hashes_computed
        assert 0 == server.wait()


def test_draining_server_is_seen_as_such(server_process: StartServer) -> None:
    """During a drain's delay, health and a gauge report it, and searches continue."""
    server = server_process("--drain-delay", "60")
    with server.channel() as channel, server.stub() as stub:
        assert 0 == server.metric("hashfinder_draining")
        server.send(signal.SIGTERM)
        eventually(lambda: server.metric("hashfinder_draining") == 1, "it drains")
        check = health_pb2.HealthCheckRequest(service="hash_name.HashFinder")
        health: Any = health_pb2_grpc.HealthStub(channel)
        assert health_pb2.HealthCheckResponse.NOT_SERVING == health.Check(check).status
        assert "AMA=" == stub.Find(HashNameRequest(desired_name="doc")).secret
    server.process.kill()
    server.wait()


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (signal.SIGTERM, signal.SIGTERM, 143),
        (signal.SIGINT, signal.SIGINT, 130),
        (signal.SIGINT, signal.SIGTERM, 143),
    ],
)
def test_second_signal_exits_at_once(
    server_process: StartServer, first: signal.Signals, second: signal.Signals, code: int
) -> None:
    """A second signal skips the grace period."""
    server = server_process("--drain-grace", "60")
    with server.stub() as stub:
        call = stub.Find.future(HOPELESS)
        server.wait_for_searches(1)
        server.send(first)
        eventually(lambda: bool(server.logs("draining")), "the drain begins")
        time.sleep(0.3)  # otherwise the kernel merges the two signals
        began = time.monotonic()

        server.send(second)

        assert code == server.wait()
        assert time.monotonic() - began < 2
        assert grpc.StatusCode.UNAVAILABLE == ended(call).code


def test_open_health_watch_does_not_hold_up_the_drain(server_process: StartServer) -> None:
    """RPCs other than searches end with the last search."""
    server = server_process("--drain-grace", "30")
    with server.channel() as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service="hash_name.HashFinder"))
        assert health_pb2.HealthCheckResponse.SERVING == next(watch).status
        began = time.monotonic()

        server.send(signal.SIGTERM)

        assert health_pb2.HealthCheckResponse.NOT_SERVING == next(watch).status
        assert 0 == server.wait()
        assert time.monotonic() - began < 6


@pytest.mark.parametrize("options", [{}, {"http2.bdp_probe": 0}], ids=["large window", "small"])
def test_stalled_reader_does_not_hold_up_the_drain(
    server_process: StartServer, options: dict[str, int]
) -> None:
    """A client that does not read is cut off after the grace period, and counted like any other."""
    server = server_process("--drain-grace", "0.5")
    with server.stub(**options) as stub:
        call = stub.FindRange(
            HashNameRequest(desired_name="hopelessly", interesting_hamming_distance=10)
        )
        server.wait_for_parked(1)
        began = time.monotonic()

        server.send(signal.SIGTERM)

        assert 0 == server.wait()
        assert time.monotonic() - began < 10
        call.cancel()
    assert ["shutdown"] == [line["cause"] for line in server.logs("rpc ended")]


def test_drain_under_load_loses_no_rpc(server_process: StartServer) -> None:
    """While clients keep calling, every RPC gets a status, or never reaches the server."""
    server = server_process("--drain-grace", "1")
    codes: set[str] = set()

    def keep_calling() -> None:
        with server.stub() as stub:
            for _ in range(10_000):
                try:
                    stub.Find(HashNameRequest(desired_name="doc"), timeout=10)
                except grpc.RpcError as error:
                    codes.add(ending_of(error).code.name)
                    return
                codes.add("OK")

    threads = [threading.Thread(target=keep_calling) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: server.metric("grpc_server_started_total") > 50, "calls come in")
    server.send(signal.SIGTERM)
    for thread in threads:
        thread.join(20)

    assert 0 == server.wait()
    assert {"OK", "UNAVAILABLE"} == codes
