"""One hostile peer for a few seconds each: others are still served, and memory is limited."""

import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.hostile_frames import (
    WATCH,
    endless_headers,
    header_bomb,
    headers_alone,
    headers_and_reset,
    health_check,
    large_headers,
    settings_to_acknowledge,
    unknown_method,
)
from tests.http2 import (
    ENHANCE_YOUR_CALM,
    GOAWAY,
    INITIAL_WINDOW_SIZE,
    PING,
    SETTINGS,
    Connection,
    connections,
    frame,
    request_headers,
    setting,
)
from tests.integration.server_process import RunServer, ServerProcess, eventually

SEARCHING = health_pb2.HealthCheckRequest(service="hash_name.HashFinder")
STREAMS = 20_000
MEMORY_MB = 200
BOMB_MEMORY_MB = 1000
"""gRPC expands the headers of all streams of a connection before it refuses them, 12 MB each."""
HEALTH_SECONDS = 1.0
MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE = 3, 6


@pytest.fixture(scope="module")
def attacked(run_server: RunServer) -> Iterator[ServerProcess]:
    """A server for the attacks."""
    with run_server("--workers", "2") as server:
        yield server


def peak_memory_mb(server: ServerProcess) -> int:
    """Return the server's peak memory in MB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


def health_while(server: ServerProcess, attack: Callable[[], None]) -> list[float]:
    """Return how long health checks took while `attack` ran in another thread."""
    thread = threading.Thread(target=attack)
    took = []
    with server.channel() as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        thread.start()
        while thread.is_alive():
            began = time.monotonic()
            stub.Check(SEARCHING, timeout=20)
            took.append(time.monotonic() - began)
            time.sleep(0.02)
    thread.join()
    return took


@pytest.mark.parametrize(
    ("attack", "times"),
    [
        (headers_and_reset, STREAMS),
        (headers_alone, STREAMS),
        (health_check, STREAMS),
        (unknown_method, STREAMS),
        (large_headers, STREAMS // 4),
        (settings_to_acknowledge, STREAMS),
        (endless_headers, STREAMS // 4),
        (header_bomb, STREAMS // 40),  # last, because the process keeps its memory
    ],
)
def test_server_survives_a_flood_of_frames(
    attacked: ServerProcess, attack: Callable[[int], bytes], times: int
) -> None:
    """Health answers meanwhile, memory is limited, and a later search is served at once."""

    def flood() -> None:
        with Connection(attacked.address) as connection:
            reader = threading.Thread(target=lambda: list(connection.frames(2.0)))
            reader.start()
            for first in range(1, 2 * times, 200):
                try:
                    connection.send(b"".join(attack(n) for n in range(first, first + 200, 2)))
                except OSError:
                    break
            reader.join()

    took = health_while(attacked, flood)
    memory = peak_memory_mb(attacked)
    print(f"health p50 {statistics.median(took):.4f} s, max {max(took):.4f} s; {memory} MB")  # noqa: T201
    assert statistics.median(took) < HEALTH_SECONDS
    assert memory < (BOMB_MEMORY_MB if attack is header_bomb else MEMORY_MB)
    began = time.monotonic()
    with attacked.stub() as stub:
        stub.Find(HashNameRequest(desired_name="a"), timeout=20)
    assert time.monotonic() - began < 15
    assert 0 == attacked.metric("hashfinder_accept_loops_replaced_total")


def test_streams_and_headers_of_a_connection_are_limited(
    server_with_few_searches: ServerProcess,
) -> None:
    """The announced limit is a little above a client's searches, so that refusals get through."""
    with Connection(server_with_few_searches.address) as connection:
        [settings] = [each for each in connection.frames(0.5) if each.type == SETTINGS][:1]
    entries = [settings.payload[n : n + 6] for n in range(0, len(settings.payload), 6)]
    announced = {int.from_bytes(e[:2]): int.from_bytes(e[2:]) for e in entries}
    assert 5 + 100 == announced[MAX_CONCURRENT_STREAMS]
    assert 8 * 1024 == announced[MAX_HEADER_LIST_SIZE]
    with server_with_few_searches.stub() as stub:
        hopeless = HashNameRequest(desired_name="hopelesshopeless")
        calls = [stub.Find.future(hopeless, timeout=30) for _ in range(400)]
        eventually(lambda: sum(call.done() for call in calls) == 395, "395 refused")
        refused = {call.code() for call in calls if call.done()}
        for call in calls:
            call.cancel()
    assert {grpc.StatusCode.RESOURCE_EXHAUSTED} == refused


@pytest.fixture
def server_with_few_searches(run_server: RunServer) -> Iterator[ServerProcess]:
    """A server on which a client may have at most five searches."""
    with run_server("--workers", "1", "--maximum-searches-per-client", "5") as server:
        yield server


def test_peer_that_pings_too_often_is_disconnected(attacked: ServerProcess) -> None:
    """With ENHANCE_YOUR_CALM, after a few pings."""
    with Connection(attacked.address) as connection:
        # all at once, because the connection may be closed before a later one is sent
        connection.send(20 * frame(PING, 0, 0, bytes(8)))
        goaways = [each for each in connection.frames(5.0) if each.type == GOAWAY]
    assert ENHANCE_YOUR_CALM in {int.from_bytes(each.payload[4:8]) for each in goaways}


def test_silent_connection_is_closed(attacked: ServerProcess) -> None:
    """Even if not even the preface arrives."""
    with connections(attacked.address, 50) as opened:
        began = time.monotonic()
        for each in opened:
            each.settimeout(20)
            try:
                while each.recv(1000):
                    pass
            except ConnectionError:
                pass
        assert time.monotonic() - began < 15


def test_connections_are_limited(run_server: RunServer) -> None:
    """One connection too many is closed; there is room again when another closes."""
    with run_server("--workers", "1", "--maximum-connections", "10") as server:
        opened = [Connection(server.address) for _ in range(10)]
        assert all(next(iter(each.frames(5.0))).type == SETTINGS for each in opened)
        with Connection(server.address) as surplus:
            assert surplus.is_closed()
        opened.pop().socket.close()
        with server.stub() as stub:
            stub.Find(HashNameRequest(desired_name="a"), timeout=20, wait_for_ready=True)
        for each in opened:
            each.socket.close()


def test_watcher_that_does_not_read_delays_nothing(run_server: RunServer) -> None:
    """Other watchers learn of the drain, `Check` answers at once, and the server exits in time."""
    with run_server("--workers", "1", "--drain-delay", "1.5") as server:
        window = setting(INITIAL_WINDOW_SIZE, 0)
        with Connection(server.address, window) as blocked, server.channel() as channel:
            for _ in range(20):
                blocked.request(request_headers(WATCH), SEARCHING.SerializeToString())
            stub: Any = health_pb2_grpc.HealthStub(channel)
            watcher = stub.Watch(SEARCHING, timeout=20)
            assert health_pb2.HealthCheckResponse.SERVING == next(watcher).status
            server.send(signal.SIGTERM)
            assert health_pb2.HealthCheckResponse.NOT_SERVING == next(watcher).status
            answer = stub.Check(SEARCHING, timeout=5)
            assert health_pb2.HealthCheckResponse.NOT_SERVING == answer.status
            watcher.cancel()
            assert 0 == server.wait()


def test_drain_does_not_fail_for_a_peer_that_pings_and_does_not_read(run_server: RunServer) -> None:
    """The process exits 0, within its usual time."""
    with run_server("--workers", "1") as server, Connection(server.address) as connection:
        connection.socket.settimeout(0.5)
        stopped = threading.Event()

        def flood() -> None:
            pings = frame(PING, 0, 0, bytes(8)) * 1000
            while not stopped.is_set():
                try:
                    connection.send(pings)
                except TimeoutError:
                    continue
                except OSError:
                    return

        thread = threading.Thread(target=flood)
        thread.start()
        time.sleep(0.3)
        server.send(signal.SIGTERM)
        try:
            assert 0 == server.wait(10)
        finally:
            stopped.set()
            thread.join()
