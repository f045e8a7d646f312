"""A client that disconnects in any way: its search ends, and counts as a cancel."""

import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.integration.gateway_process import (
    CURL,
    UNFINDABLE,
    GatewayProcess,
    RunGateway,
    get,
    post,
    search,
)
from tests.integration.server_process import ServerProcess, eventually

_MESSAGE = {"desiredName": UNFINDABLE}
REQUESTS = {
    "lines": (get(search()), "FindRange"),
    "stream": (post("FindRange", _MESSAGE, stream=True), "FindRange"),
    "unary": (post("Find", _MESSAGE), "Find"),
}


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _half_close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


def _another_request_then_close(connection: socket.socket) -> None:
    connection.sendall(get("/healthz"))
    connection.close()


WAYS: dict[str, Callable[[socket.socket], None]] = {
    "close": socket.socket.close,
    "reset": _reset,
    "half close": _half_close,
    "pipelined request, then close": _another_request_then_close,
}


@contextmanager
def counted(server: ServerProcess, cause: str, times: int = 1) -> Iterator[None]:
    """Assert that searches end that often by `cause` in the block, and that none is left."""
    before = server.metric("hashfinder_cancellations_total", cause=cause)
    yield
    server.wait_until_idle()
    assert before + times == server.metric("hashfinder_cancellations_total", cause=cause)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", REQUESTS)
def test_a_disconnect_ends_the_search(
    gateway: GatewayProcess, module_server: ServerProcess, kind: str, way: str
) -> None:
    """It counts as one cancel of its method, and has no other cause."""
    request, method = REQUESTS[kind]
    before = module_server.samples()
    with gateway.connection() as connection:
        connection.sendall(request)
        module_server.wait_for_searches(1)
        WAYS[way](connection)
        module_server.wait_until_idle()

    moved = module_server.samples().moved("hashfinder_cancellations_total", before)
    assert {frozenset({("method", method), ("cause", "client_cancel")}): 1.0} == moved
    gateway.wait_for_calls(0)


def test_a_pipelined_request_does_not_hide_a_disconnect(
    gateway: GatewayProcess, module_server: ServerProcess
) -> None:
    """The second request waits in the gateway."""
    with counted(module_server, "client_cancel"), gateway.connection() as connection:
        connection.sendall(get(search()) + get("/healthz"))
        module_server.wait_for_searches(1)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_stopping_curl_ends_its_search(
    gateway: GatewayProcess, module_server: ServerProcess, signum: signal.Signals
) -> None:
    """By Ctrl-C, or by SIGKILL."""
    command = [CURL, "--silent", "--no-buffer", gateway.url + search()]
    with (
        counted(module_server, "client_cancel"),
        subprocess.Popen(command, stdout=subprocess.PIPE) as curl,
    ):
        module_server.wait_for_searches(1)
        assert curl.stdout
        assert b"estimate" in curl.stdout.readline()
        curl.send_signal(signum)


def test_curl_that_times_out_ends_its_search(
    gateway: GatewayProcess, module_server: ServerProcess
) -> None:
    """Curl's own time limit is not sent to the server."""
    words = [CURL, "--silent", "--max-time", "0.5", gateway.url + search()]
    with counted(module_server, "client_cancel"):
        assert 28 == subprocess.run(words, capture_output=True, check=False).returncode


def test_a_deadline_reaches_the_server_and_counts_as_one(
    gateway: GatewayProcess, module_server: ServerProcess
) -> None:
    """The server gets the deadline and ends the search itself."""
    with counted(module_server, "deadline", times=2):
        gateway.lines("hopelessly?timeout=0.3")
        gateway.call("Find", _MESSAGE, connect_timeout_ms="300")


def test_a_client_that_does_not_read_parks_its_search(
    gateway: GatewayProcess, module_server: ServerProcess
) -> None:
    """The search continues when the client reads again, without missing results."""
    with gateway.connection(receive_buffer=4096) as connection:
        connection.sendall(get(search("aaaaaaaaaaaa", show_inferior=12)))
        module_server.wait_for_parked(1)
        hashes = module_server.metric("hashfinder_hashes_total")
        assert hashes == module_server.metric("hashfinder_hashes_total")
        while hashes == module_server.metric("hashfinder_hashes_total"):
            assert connection.recv(1 << 16, socket.MSG_WAITALL)
    module_server.wait_until_idle()


def test_little_is_buffered_for_a_client_that_does_not_read(
    gateway: GatewayProcess, module_server: ServerProcess
) -> None:
    """About a thousand results, rather than the megabytes that the system would buffer."""
    before = module_server.metric("grpc_server_msg_sent_total")
    with gateway.connection(receive_buffer=4096) as connection:
        connection.sendall(get(search("aaaaaaaaaaaa", show_inferior=12)))
        module_server.wait_for_parked(1)
        module_server.wait_until_nothing_is_sent()
        held = module_server.metric("grpc_server_msg_sent_total") - before
    module_server.wait_until_idle()

    assert 100 < held < 10_000


def test_a_gateway_that_is_killed_counts_as_lost(
    run_gateway: RunGateway, module_server: ServerProcess
) -> None:
    """Its searches end when its connection to the server closes."""
    with (
        run_gateway(module_server) as gateway,
        gateway.connection() as connection,
        counted(module_server, "disconnect"),
    ):
        connection.sendall(get(search()))
        module_server.wait_for_searches(1)
        gateway.process.kill()
        gateway.process.wait()


def test_a_draining_gateway_ends_its_searches_with_a_status(
    run_gateway: RunGateway,
    module_server: ServerProcess,
) -> None:
    """Clients get an end; new requests are refused; the exit code is 0."""
    with (
        counted(module_server, "client_cancel"),
        run_gateway(module_server, "--drain-grace=0.5") as gateway,
    ):
        with gateway.connection() as connection:
            connection.sendall(get(search(progress_interval="0.05")))
            module_server.wait_for_searches(1)
            assert b"nextPosition" in _read_until(connection, b"nextPosition")
            gateway.process.send_signal(signal.SIGTERM)
            eventually(lambda: gateway.request("GET", "/readyz")[0].status == 503, "it drains")
            _, error = gateway.call("Find", {"desiredName": "dad"})
            assert "unavailable" == error["code"]
            end = _read_until(connection, b"SERVER_DRAINING")
        assert b'"resume": "/find/hopelessly?' in end
        assert gateway.process.wait(20) == 0


def test_a_client_that_does_not_read_does_not_delay_the_drain(
    run_gateway: RunGateway,
    module_server: ServerProcess,
) -> None:
    """Unsent data is dropped."""
    with run_gateway(module_server) as gateway, gateway.connection(receive_buffer=4096) as stalled:
        stalled.sendall(get(search("aaaaaaaaaaaa", show_inferior=12)))
        module_server.wait_for_parked(1)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(20) == 0
    module_server.wait_until_idle()


def _read_until(connection: socket.socket, wanted: bytes) -> bytes:
    read = b""
    while wanted not in read:
        part = connection.recv(65536)
        assert part, f"the end of {read!r} came before {wanted!r}"
        read += part
    return read
