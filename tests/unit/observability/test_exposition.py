"""The /metrics endpoint over HTTP, and misbehaving clients."""

import errno
import gc
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import structlog
from prometheus_client.registry import Collector

from hashfinder.observability import exposition
from hashfinder.observability.exposition import MetricsBindError, MetricsEndpoint
from hashfinder.observability.metrics import Metrics, create_registry

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def endpoint() -> Iterator[MetricsEndpoint]:
    """Serve metrics."""
    registry = create_registry()
    Metrics(registry).freed(42)
    endpoint = MetricsEndpoint("127.0.0.1", 0, registry)
    yield endpoint
    endpoint.close()


def connect(endpoint: MetricsEndpoint, source: str = "127.0.0.1") -> socket.socket:
    """Return a connection to the endpoint."""
    where = ("127.0.0.1", endpoint.port)
    return socket.create_connection(where, timeout=20, source_address=(source, 0))


def page(endpoint: MetricsEndpoint) -> str:
    """Return the text of /metrics."""
    with urlopen(f"http://{endpoint.address}/metrics", timeout=20) as response:
        text: str = response.read().decode()
    return text


def answer(connection: socket.socket) -> bytes:
    """Return everything that arrives until the endpoint closes the connection."""
    with connection, connection.makefile("rb") as stream:
        return stream.read()


def is_closed_while_sending(connection: socket.socket, data: bytes, pause: float = 0) -> bool:
    """Send `data` repeatedly; return whether the other side closes the connection."""
    for _ in range(2000):
        try:
            connection.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return True
        time.sleep(pause)
    return False


def test_page_is_served_until_closed(endpoint: MetricsEndpoint) -> None:
    """It serves at its address; after it is closed, the port is free."""
    assert f"127.0.0.1:{endpoint.port}" == endpoint.address
    assert "hashfinder_cancel_latency_seconds_sum 42.0" in page(endpoint)
    endpoint.close()
    with socket.create_server(("127.0.0.1", endpoint.port)):
        assert not endpoint._thread.is_alive()  # noqa: SLF001


def test_page_is_negotiated(endpoint: MetricsEndpoint) -> None:
    """Compressed, as OpenMetrics, or only some metrics, as in Prometheus's client."""
    url = f"http://{endpoint.address}/metrics?name[]=hashfinder_cancel_latency_seconds_sum"
    headers = {"Accept-Encoding": "gzip", "Accept": "application/openmetrics-text; version=1.0.0"}
    with urlopen(Request(url, headers=headers), timeout=20) as response:
        assert "gzip" == response.headers["Content-Encoding"]
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    with urlopen(url, timeout=20) as response:
        samples = [line for line in response.read().decode().splitlines() if line[0] != "#"]
    assert ["hashfinder_cancel_latency_seconds_sum 42.0"] == samples


def test_other_methods_are_refused(endpoint: MetricsEndpoint) -> None:
    """The response lists the allowed methods."""
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(f"http://{endpoint.address}/metrics", data=b"x"), timeout=20)
    with caught.value as refusal:
        assert 405 == refusal.code
        assert "OPTIONS,GET" == refusal.headers["Allow"]


def test_address_in_use_is_reported() -> None:
    """The error has the address and the system's reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MetricsBindError, match=rf"metrics on 127\.0\.0\.1:{port}: .*in use"):
            MetricsEndpoint("127.0.0.1", port, create_registry())


def test_thread_that_cannot_start_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The port is free again."""

    def refuse(_thread: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(MetricsBindError, match="can't start new thread"):
        MetricsEndpoint("127.0.0.1", 0, create_registry())


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /metrics HTTP/9.x\r\n\r\n",
        b"\xff" * 9,
    ],
)
def test_invalid_request_is_refused(
    endpoint: MetricsEndpoint, request_: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """The connection may also be closed; nothing is printed on stderr."""
    connection = connect(endpoint)
    connection.sendall(request_)
    connection.shutdown(socket.SHUT_WR)
    text = answer(connection)
    assert b"200 OK" not in text
    assert "42.0" in page(endpoint)
    assert ("", "") == capfd.readouterr()


def test_endless_request_is_closed(endpoint: MetricsEndpoint) -> None:
    """Only some kilobytes of it are read."""
    with connect(endpoint) as connection:
        assert is_closed_while_sending(connection, b"x" * 65536)
    assert "42.0" in page(endpoint)


def test_reset_is_silent(
    endpoint: MetricsEndpoint,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Before, during and after a request: no output, no log line, other clients are served."""
    for sent in (b"", b"GET /metr", GET):
        for _ in range(20):
            with connect(endpoint) as connection:
                connection.sendall(sent)
                linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # on, for 0 s: close sends a reset
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    assert "42.0" in page(endpoint)
    endpoint.close()
    gc.collect()  # asyncio logs the exception of a task when the task is collected
    assert ("", "") == capfd.readouterr()
    assert [] == caplog.messages


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nX"])
def test_silent_connections_are_limited(
    endpoint: MetricsEndpoint, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """They use no threads, scrapes are answered meanwhile, and the oldest are closed."""
    monkeypatch.setattr(exposition, "_CONNECTION_SECONDS", 60.0)
    threads = threading.active_count()
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(endpoint)) for _ in range(200)]
        for connection in silent:
            connection.sendall(sent)
        assert "42.0" in page(endpoint)
        assert threads == threading.active_count()
        for connection in silent[: 200 - 32]:
            with suppress(ConnectionResetError):  # if something was not read
                assert b"" == connection.recv(1)


def test_one_host_closes_its_own_connections_only(
    endpoint: MetricsEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many it opens, those of another host stay, also if they are older."""
    monkeypatch.setattr(exposition, "_CONNECTION_SECONDS", 60.0)
    with ExitStack() as stack:
        slow = stack.enter_context(connect(endpoint, "127.0.0.2"))
        slow.sendall(GET[:9])
        crowd = [stack.enter_context(connect(endpoint)) for _ in range(100)]
        assert b"" == crowd[0].recv(1)
        slow.sendall(GET[9:])
        assert b"42.0" in answer(slow)


def test_idle_connection_is_closed(
    endpoint: MetricsEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This includes one that sends a byte now and then."""
    monkeypatch.setattr(exposition, "_CONNECTION_SECONDS", 0.3)
    with connect(endpoint) as idle, connect(endpoint) as slow:
        assert b"" == idle.recv(1)
        assert is_closed_while_sending(slow, b"x", pause=0.01)


def test_lack_of_descriptors_is_temporary(
    endpoint: MetricsEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepting resumes when some are free, and does not spin before."""
    accept = socket.socket.accept
    tries = []

    def refuse(listener: socket.socket) -> object:
        tries.append(listener)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(socket.socket, "accept", refuse)
    with connect(endpoint) as connection:
        connection.sendall(GET)
        time.sleep(0.5)
        assert 1 <= len(tries) < 10
        monkeypatch.setattr(socket.socket, "accept", accept)
        assert b"42.0" in connection.makefile("rb").read()


@pytest.mark.parametrize("fault", [RuntimeError, MemoryError])
def test_thread_that_is_interrupted_serves_again(
    endpoint: MetricsEndpoint, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    """On the same port, whatever went wrong; the log has it."""
    make_room = MetricsEndpoint._make_room  # noqa: SLF001  # it is made to fail once
    faults = [fault("boom")]

    def broken(self: MetricsEndpoint) -> None:
        if faults:
            raise faults.pop()
        make_room(self)

    monkeypatch.setattr(MetricsEndpoint, "_make_room", broken)
    with ExitStack() as stack, structlog.testing.capture_logs() as lines:
        for _ in range(40):  # one too many
            stack.enter_context(connect(endpoint))
        assert "42.0" in page(endpoint)
    assert not faults
    assert ["metrics interrupted: serving them again"] == [line["event"] for line in lines]
    endpoint.close()
    assert not endpoint._thread.is_alive()  # noqa: SLF001


def test_exception_in_a_metric_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    """The log has the traceback; the endpoint keeps serving."""

    class Broken(Collector):
        def collect(self) -> Iterator[object]:  # type: ignore[override]
            message = "boom"
            raise RuntimeError(message)

    registry = create_registry()
    endpoint = MetricsEndpoint("127.0.0.1", 0, registry)
    assert "" == page(endpoint)
    Broken.describe = lambda _self: []  # type: ignore[attr-defined]
    registry.register(Broken())
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            with pytest.raises(HTTPError, match="500") as caught:
                page(endpoint)
            caught.value.close()
    endpoint.close()
    assert ["scrape failed"] * 2 == [line["event"] for line in lines]
    assert "boom" in lines[0]["fault"]
    assert ("", "") == capfd.readouterr()
