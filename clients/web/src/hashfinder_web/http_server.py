"""The HTTP server: uvicorn, with bounds on connections that it does not have itself."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from hashfinder_process.connections import OpenConnections
from hashfinder_web.peers import Peer

_LONGEST_HEAD = 16 * 1024
"""Bytes of a request's line and headers."""
_HEAD_SECONDS = 10.0
"""How long they may take to arrive."""
_LOOK_SECONDS = 1.0
"""How often peers are looked at."""
_IDLE_SECONDS = 30
"""How long a connection is kept between two requests."""


class HttpServer:
    """Serves one ASGI application on listening sockets."""

    def __init__(
        self,
        application: Any,  # noqa: ANN401  # ASGI's type
        connections: int,
        peer_seconds: float,
        head_seconds: float = _HEAD_SECONDS,
    ) -> None:
        """Take what is served, and the bounds of connections.

        Args:
            application: gets the requests.
            connections: how many may be open. Another one closes the oldest of the host that has
                the most, without a request if there is one; with one only for a host with fewer.
            peer_seconds: how long a peer may leave what was repeated unanswered.
            head_seconds: how long a request's line and headers may take to arrive.
        """
        bounds = {
            "most": connections,
            "open": OpenConnections(),
            "peer_seconds": peer_seconds,
            "head_seconds": head_seconds,
        }
        protocol = type("_BoundedProtocol", (_Protocol,), bounds)
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
        watching = asyncio.create_task(self._watch_peers())
        try:
            await self._server.serve(listeners)
        finally:
            watching.cancel()
        for each in list(self._server.server_state.connections):
            each.transport.abort()  # one whose client does not read what is left
        await asyncio.sleep(0)

    async def _watch_peers(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            for each in list(self._server.server_state.connections):
                if isinstance(each, _Protocol):
                    each.drop_if_lost(now)

    def stop(self) -> None:
        """Let `serve` return, within about a second."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """Leaves the signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """A connection that makes room for others, and is closed if it does not say what it wants."""

    most = 1
    open: OpenConnections["_Protocol"]
    peer_seconds = 1.0
    head_seconds = 1.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = Peer(self.peer_seconds)
        self.open.add(self, self.client[0] if self.client else "")
        self.timeout_keep_alive_task = self.loop.call_later(self.head_seconds, self._too_late)
        if len(self.open) > self.most:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # uvicorn stops its timer with the first byte: here, the head has to be complete in time.
        timer = self.timeout_keep_alive_task
        self.timeout_keep_alive_task = None
        if self._is_answering():
            # Another request before this one is answered. uvicorn would stop reading, and so not
            # notice that the client leaves.
            self.transport.abort()
            return
        before = self.cycle
        try:
            super().data_received(data)
        except h11.LocalProtocolError:  # it is no HTTP, and its answer has been sent already
            self.transport.abort()
        if self.transport.is_closing() or self.cycle is not before:
            if timer is not None:
                timer.cancel()
        else:
            self.timeout_keep_alive_task = timer

    def drop_if_lost(self, now: float) -> None:
        """Drop the connection if its peer has vanished."""
        if self._peer.is_lost(self.transport.get_extra_info("socket"), now):
            self.transport.abort()

    def _make_room(self) -> None:
        largest = self.open.of_the_largest()
        idle = (each for each in largest if not each._has_request())  # noqa: SLF001  # one of us
        has_more = len(largest) > len(self.open.beside(self))
        surplus = next(idle, largest[0] if has_more else self)
        self.open.remove(surplus)
        surplus.transport.abort()

    def _has_request(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        return cycle is not None and not cycle.response_complete

    def _is_answering(self) -> bool:
        return self._has_request() and not self.cycle.more_body

    def _too_late(self) -> None:
        self.transport.abort()
