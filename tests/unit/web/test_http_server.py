"""The limits on connections that the HTTP server adds to uvicorn's."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from hashfinder_web.asgi import Receive, Scope, Send
from hashfinder_web.http_server import HttpServer
from hashfinder_web.listener import BindError, listen

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer, unless the path says to wait for the client's disconnect."""
    if scope["path"] == "/wait":
        while (await receive())["type"] != "http.disconnect":
            pass
    headers = [(b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


@asynccontextmanager
async def _serving(connections: int = 10, head_seconds: float = 10) -> AsyncIterator[int]:
    listeners = listen("127.0.0.1", 0, 10)
    port: int = listeners[0].getsockname()[1]
    server = HttpServer(_hello, connections, 10, head_seconds)
    serving = asyncio.create_task(server.serve(listeners))
    try:
        yield port
    finally:
        server.stop()
        await serving


@asynccontextmanager
async def _connected(port: int, source: str = "127.0.0.1") -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _ask(streams: Streams, path: str = "/") -> bytes:
    reader, writer = streams
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(5)
    return head


async def _rest(streams: Streams) -> bytes:
    """Return everything that arrives until the connection is closed."""
    with suppress(ConnectionResetError):
        async with asyncio.timeout(10):
            return await streams[0].read()
    return b""


async def test_a_connection_serves_one_request_after_the_other() -> None:
    """The first request leaves no state behind."""
    async with _serving() as port, _connected(port) as streams:
        assert (await _ask(streams)).startswith(b"HTTP/1.1 200 ")
        assert (await _ask(streams)).startswith(b"HTTP/1.1 200 ")


async def test_one_connection_too_many_closes_the_oldest_without_a_request() -> None:
    """Whether it has had one, or not yet; those that wait for their answer stay."""
    async with (
        _serving(connections=3) as port,
        _connected(port) as busy,
        _connected(port) as idle,
        _connected(port) as new,
    ):
        await _begin_to_wait(busy)
        await _ask(idle)
        async with _connected(port) as one_more:
            assert b"" == await _rest(idle)
            await _ask(one_more)
            async with _connected(port) as yet_one_more:
                assert b"" == await _rest(new)
                await _ask(yet_one_more)
        assert not busy[0].at_eof()


async def test_host_whose_connections_all_wait_gets_no_more() -> None:
    """Of its own kind none is in the way."""
    async with _serving(connections=2) as port, _connected(port) as one, _connected(port) as other:
        await _begin_to_wait(one)
        await _begin_to_wait(other)
        async with _connected(port) as one_more:
            assert b"" == await _rest(one_more)
        assert not one[0].at_eof()


async def test_no_host_keeps_others_out() -> None:
    """Another one gets in, even if all connections of the first wait for their answers."""
    async with _serving(connections=2) as port, _connected(port) as one, _connected(port) as other:
        await _begin_to_wait(one)
        await _begin_to_wait(other)
        async with _connected(port, "127.0.0.2") as foreign:
            await _begin_to_wait(foreign)
            assert b"" == await _rest(one)
            async with _connected(port, "127.0.0.3") as third:
                assert b"" == await _rest(third), "no host has more than one"
            assert not foreign[0].at_eof()


async def _begin_to_wait(streams: Streams) -> None:
    """Ask for what is not answered; return once the server knows of that."""
    await _ask(streams)
    streams[1].write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_an_incomplete_head_times_out(sent: bytes) -> None:
    """Whatever part of it has arrived, even if more of it trickles in."""
    async with _serving(head_seconds=0.3) as port, _connected(port) as streams:
        streams[1].write(sent)

        async def trickle() -> None:
            while sent:
                streams[1].write(b"x: y\r\n")
                await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        assert b"" == await _rest(streams)
        trickling.cancel()


async def test_a_second_request_before_the_answer_ends_the_connection() -> None:
    """Reading it would have to wait, and would hide a disconnect of the client."""
    async with _serving() as port, _connected(port) as streams:
        streams[1].write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.05)
        streams[1].write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"" == await _rest(streams)


def test_a_port_in_use_is_named() -> None:
    """No socket stays open."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BindError, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            listen("127.0.0.1", port, 10)


def test_a_foreign_address_is_named() -> None:
    """Such as an IPv6 address of another machine."""
    with pytest.raises(BindError, match=r"cannot listen on \[2001:db8::1\]:0"):
        listen("2001:db8::1", 0, 10)
