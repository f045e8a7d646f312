"""The HTTP server: uvicorn, with bounds on connections that it does not have itself."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

_LONGEST_HEAD = 16 * 1024
"""Bytes of a request's line and headers."""
_HEAD_SECONDS = 10.0
"""How long they may take to arrive."""
_IDLE_SECONDS = 30
"""How long a connection is kept between two requests."""


class HttpServer:
    """Serves one ASGI application on listening sockets."""

    def __init__(self, application: Any, connections: int) -> None:  # noqa: ANN401  # ASGI's type
        """Take what is served, and how many connections may be open."""
        protocol = type("_BoundedProtocol", (_Protocol,), {"most": connections})
        config = uvicorn.Config(
            application,
            interface="asgi3",
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=_LONGEST_HEAD,
        )
        self._server = _Server(config)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._server.server_state.connections)

    async def serve(self, listeners: list[socket.socket]) -> None:
        """Serve until `stop`, and close the listeners and all connections."""
        await self._server.serve(listeners)
        for each in list(self._server.server_state.connections):
            each.transport.abort()  # one whose client does not read what is left
        await asyncio.sleep(0)

    def stop(self) -> None:
        """Let `serve` return, within about a second."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """Leaves the signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """A connection that is closed if it is one too many, or does not say what it wants."""

    most = 1

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
            return
        self.timeout_keep_alive_task = self.loop.call_later(_HEAD_SECONDS, self._too_late)

    def data_received(self, data: bytes) -> None:
        # uvicorn stops its timer with the first byte: here, the head has to be complete in time.
        timer = self.timeout_keep_alive_task
        self.timeout_keep_alive_task = None
        if self._is_answering():
            # Another request before this one is answered. uvicorn would stop reading, and so not
            # notice that the client leaves.
            if data.strip(b"\r\n"):
                self.transport.abort()
            return
        before = self.cycle
        super().data_received(data)
        if self.transport.is_closing() or self.cycle is not before:
            if timer is not None:
                timer.cancel()
        else:
            self.timeout_keep_alive_task = timer

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        return cycle is not None and not cycle.more_body and not cycle.response_complete

    def _too_late(self) -> None:
        self.transport.abort()
