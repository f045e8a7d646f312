"""The port stays open, even if gRPC's accept loop ends or the port cannot be bound at once."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from hashfinder.domain.address import ListenAddress, TcpAddress, UnixAddress
from hashfinder.domain.errors import HashFinderError
from hashfinder.transport import core
from hashfinder.transport.core import create_server, guarded_server
from hashfinder.transport.listener import BindError, Listener
from tests.http2 import Connection, request_headers

METHOD = "/test.Service/Wait"
OPTIONS = (("grpc.so_reuseport", 0),)


class Waiting:
    """A service with one method, which answers when the test allows it."""

    def __init__(self) -> None:
        """Start without a call."""
        self.called = asyncio.Event()
        self.released = asyncio.Event()

    async def _wait(self, request: bytes, _context: object) -> bytes:
        self.called.set()
        await self.released.wait()
        return request

    def add_to(self, server: grpc.aio.Server) -> grpc.aio.Server:
        """Register it with `server`."""
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
            self._wait
        )
        server.add_registered_method_handlers("test.Service", {"Wait": handler})
        return server


def plain_server() -> grpc.aio.Server:
    """Return gRPC's own server."""
    return grpc.aio.server(options=OPTIONS)


ANY_PORT = TcpAddress("127.0.0.1", 0)


async def _eventually(condition: Callable[[], bool]) -> None:
    # The traceback in the log may take seconds of a busy CPU.
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # it is no event
            await asyncio.sleep(0.01)


class Served:
    """A listener under test."""

    def __init__(
        self, make: Callable[[], grpc.aio.Server], address: ListenAddress = ANY_PORT
    ) -> None:
        """Bind an address."""
        self.service = Waiting()
        self.failures: list[HashFinderError] = []
        self._make = make
        self._ended = False
        self.listener = Listener(self._build, address, self.failures.append)
        self.address = str(self.listener.address)

    async def call(self, request: bytes = b"request") -> bytes:
        """Call the method on a new connection."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self.address, options=options) as channel:
            method: Any = channel.unary_unary(METHOD)
            answer: bytes = await method(request, timeout=10, wait_for_ready=True)
            return answer

    def end_accept_loop(self) -> None:
        """Make the current server report that its accept loop has ended.

        An invalid request would end it as well, but the core would then write to freed memory.
        """
        self._ended = True

    async def eventually_replaced(self, times: int) -> None:
        """Return when the accept loop has been replaced this often."""
        await _eventually(lambda: self.listener.replaced >= times)

    async def eventually_failed(self) -> None:
        """Return when the owner has been called."""
        await _eventually(lambda: bool(self.failures))

    def _build(self) -> grpc.aio.Server:
        server = self.service.add_to(self._make())
        wait = server.wait_for_termination

        async def wait_or_end(timeout: float | None = None) -> bool:  # noqa: ASYNC109  # as gRPC has it
            if self._ended:
                self._ended = False
                message = "the accept loop ended"
                raise RuntimeError(message)
            return await wait(timeout)

        server.wait_for_termination = wait_or_end  # type: ignore[method-assign]
        return server


@pytest.fixture(params=["tcp", "unix"])
async def plain(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    """A listener whose servers are gRPC's own."""
    address = UnixAddress(str(tmp_path / "socket")) if request.param == "unix" else ANY_PORT
    served = Served(plain_server, address)
    await served.listener.start()
    yield served
    await served.listener.stop()


@pytest.mark.parametrize("times", [1, 3])
async def test_accept_loop_that_ended_is_replaced_and_calls_under_way_go_on(
    plain: Served, times: int
) -> None:
    """It listens on the same address; the replacement can be replaced as well."""
    under_way = asyncio.ensure_future(plain.call(b"before"))
    await plain.service.called.wait()
    for number in range(1, times + 1):
        plain.end_accept_loop()
        await plain.eventually_replaced(number)
    assert not under_way.done()
    after = asyncio.ensure_future(plain.call(b"after"))
    await asyncio.sleep(0.1)
    plain.service.released.set()
    assert (b"before", b"after") == tuple(await asyncio.gather(under_way, after))
    assert [] == plain.failures


async def test_address_taken_by_another_process_is_a_failure(
    plain: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New clients cannot connect; the owner is called once, with the reason."""
    monkeypatch.setattr("hashfinder.transport.listener._REBIND_SECONDS", 0.3)
    taken = BindError("taken")

    def bind(_server: object) -> None:
        raise taken

    monkeypatch.setattr(plain.listener, "_bind", bind)
    plain.end_accept_loop()
    await plain.eventually_failed()
    assert [taken] == plain.failures


async def test_replacement_that_cannot_be_made_is_a_failure(
    plain: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the fault, the owner is called: else nobody would listen, and nobody know."""

    def build() -> grpc.aio.Server:
        message = "boom"
        raise ValueError(message)

    monkeypatch.setattr(plain.listener, "_build", build)
    plain.end_accept_loop()
    await plain.eventually_failed()
    assert [f"cannot listen on {plain.address} again: boom"] == [str(e) for e in plain.failures]


async def test_stop_returns_if_grpc_waits_for_a_peer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It returns within the time allowed for closing connections."""
    monkeypatch.setattr("hashfinder.transport.listener._STOP_SECONDS", 0.1)
    served = Served(plain_server)
    await served.listener.start()
    stop = served.listener._server.stop  # noqa: SLF001  # it is made to hang
    hanging = asyncio.Event()

    async def hang(grace: float | None) -> None:
        await hanging.wait()
        await stop(grace)

    monkeypatch.setattr(served.listener._server, "stop", hang)  # noqa: SLF001
    async with asyncio.timeout(2):
        await served.listener.stop()
    hanging.set()
    await asyncio.sleep(0.1)


async def test_port_in_use_is_an_error() -> None:
    """The error names the address and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BindError, match=rf"127\.0\.0\.1:{port}: .*in use"):
            Listener(plain_server, TcpAddress("127.0.0.1", port), lambda _: None)


async def test_guarded_server_survives_invalid_requests() -> None:
    """This uses gRPC's private API: if it fails, gRPC has changed; see `transport.core`."""
    served = Served(lambda: guarded_server(OPTIONS))
    await served.listener.start()
    served.service.released.set()

    def send() -> dict[int, str]:
        with Connection(served.address) as connection:
            for _ in range(200):
                connection.request(request_headers(b"/\xff"))
            return connection.statuses(200)

    statuses = await asyncio.to_thread(send)
    assert ["12"] * 200 == list(statuses.values())
    await asyncio.sleep(0.5)
    assert 0 == served.listener.replaced
    assert b"request" == await served.call()
    await served.listener.stop()


@pytest.mark.parametrize("error", [ImportError, AttributeError, TypeError])
async def test_changed_grpc_gets_a_plain_server(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """It serves, and `Listener` replaces it when necessary."""

    def changed(_options: Sequence[object]) -> None:
        raise error

    monkeypatch.setattr(core, "guarded_server", changed)
    served = Served(lambda: create_server(OPTIONS))
    await served.listener.start()
    served.service.released.set()
    assert b"request" == await served.call()
    await served.listener.stop()
