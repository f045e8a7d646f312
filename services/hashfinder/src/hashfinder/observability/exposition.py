"""Serves the metrics over HTTP or HTTPS, for Prometheus to scrape, on one thread.

Connections are many, silent, slow or reset at times; each costs a bounded time and no thread. The
standard library parses requests and prometheus-client answers them, once they are complete.
"""

import asyncio
import io
import socket
import ssl
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app

from hashfinder.domain.errors import HashFinderError
from hashfinder.observability import listeners
from hashfinder_process.connections import OpenConnections

_CONNECTIONS = 32
"""How many are open at once: another one closes the oldest of the host that has the most."""
_CONNECTION_SECONDS = 5.0
"""How long a connection may take for its request and the answer."""
_LONGEST_REQUEST = 16 * 1024
_RETRY_SECONDS = 0.1
"""After an accept that failed, since no file descriptor may be left; and after a fault."""
_CLOSE_SECONDS = 2.0

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class MetricsBindError(HashFinderError):
    """The metrics cannot be served: an address or a thread is missing. The operator acts."""


class MetricsEndpoint:
    """``/metrics`` on a port of its own."""

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        tls: Callable[[], ssl.SSLContext | None] | None = None,
    ) -> None:
        """Serve from now on, on all addresses of `host`; port 0 takes any free one.

        `tls` returns how the next connection speaks TLS; without it, or with None, in plain text.

        Raises:
            MetricsBindError: an address is in use, or not ours, or no thread can start.
        """
        bracketed = f"[{host}]" if ":" in host else host
        try:
            self._listeners = listeners.listen(host, port)
        except OSError as error:
            message = f"cannot serve metrics on {bracketed}:{port}: {error.strerror}"
            raise MetricsBindError(message) from error
        self.port: int = self._listeners[0].getsockname()[1]
        self.address = f"{bracketed}:{self.port}"
        self.url = f"http{'s' if tls and tls() else ''}://{self.address}/metrics"
        self._site = SimpleNamespace(
            get_app=lambda: make_wsgi_app(registry),
            base_environ={"SERVER_NAME": host, "SERVER_PORT": str(self.port), "SCRIPT_NAME": ""},
        )
        self._tls = tls
        self._connections: dict[asyncio.Task[None], socket.socket] = {}
        self._open = OpenConnections[asyncio.Task[None]]()
        self._is_closing = False
        self._begin()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._runner.close()
            listeners.close(self._listeners)
            message = f"cannot serve metrics: {error}"
            raise MetricsBindError(message) from error

    def close(self) -> None:
        """Stop serving and free the port."""
        self._is_closing = True
        with suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(_CLOSE_SECONDS)

    def _begin(self) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._closing = asyncio.Event()

    def _run(self) -> None:
        while not self._is_closing:
            try:
                with self._runner as runner:  # which cancels what is left
                    runner.run(self._serve())
            except BaseException as error:  # noqa: BLE001  # whatever it is, scrapes go on
                _log.error("metrics interrupted: serving them again", exc_info=error)
                for task in list(self._connections):
                    self._close(task)
                time.sleep(_RETRY_SECONDS)
                self._begin()  # before the question whether it is closing: `close` has one of both
        listeners.close(self._listeners)

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as accepting:
            tasks = [accepting.create_task(self._accept(each)) for each in self._listeners]
            await self._closing.wait()
            for task in tasks:
                task.cancel()

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, (client, *_) = await self._loop.sock_accept(listener)
            except OSError:
                self._make_room()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            task = asyncio.create_task(self._answer(connection, client))
            self._connections[task] = connection
            self._open.add(task, client)
            task.add_done_callback(self._close)
            if len(self._open) > _CONNECTIONS:
                self._make_room()

    def _close(self, task: asyncio.Task[None]) -> None:
        self._open.remove(task)
        self._connections.pop(task).close()

    def _make_room(self) -> None:
        for oldest in self._open.of_the_largest()[:1]:
            self._open.remove(oldest)
            oldest.cancel()

    async def _answer(self, connection: socket.socket, client: str) -> None:
        with suppress(OSError, TimeoutError):
            async with (
                asyncio.timeout(_CONNECTION_SECONDS),
                self._streams(connection) as (reader, writer),
            ):
                request = await _receive(reader)
                if request:
                    exchange = _Exchange(request)
                    _Handler(exchange, (client, 0), self._site)  # type: ignore[arg-type]  # in memory
                    if fault := exchange.faults.getvalue():
                        _log.error("scrape failed", fault=fault)
                    writer.write(exchange.answer)
                    writer.close()
                    await writer.wait_closed()

    @asynccontextmanager
    async def _streams(
        self, connection: socket.socket
    ) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Give a connection's two directions, after the handshake of TLS if there is one."""
        reader = asyncio.StreamReader(_LONGEST_REQUEST)
        transport, protocol = await self._loop.connect_accepted_socket(
            lambda: asyncio.StreamReaderProtocol(reader), connection, ssl=self._tls and self._tls()
        )
        try:
            yield reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)
        finally:
            transport.abort()


async def _receive(reader: asyncio.StreamReader) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request and len(request) < _LONGEST_REQUEST:
        received = await reader.read(_LONGEST_REQUEST)
        if not received:
            break
        request += received
    return request


class _Exchange:
    """A request that is complete, and its answer, in the place of a socket."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.answer = bytearray()
        self.faults = io.StringIO()

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._request)

    def sendall(self, data: bytes) -> None:
        self.answer += data


class _Handler(WSGIRequestHandler):
    """Writes nothing to stderr."""

    def get_stderr(self) -> Any:  # noqa: ANN401  # a stream
        return self.request.faults

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
