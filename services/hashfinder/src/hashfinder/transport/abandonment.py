"""Who stopped an RPC that gRPC cancelled: the client, its deadline, or its connection.

gRPC for Python tells a handler of all three in the same way, by cancelling its task, so the cause
is found out afterwards, when the worker is free again and the handler has ended:

* The deadline has passed where hardly any time remains. Clients round a deadline up by up to 1 % on
  the wire, so that the server's own view of it comes that much later.
* Otherwise the connection decides. A client that cancels keeps it; one that lost it, or died, does
  not, and gRPC's own books (channelz) forget its socket when its last handler has ended.

A server that drains closes its connections itself: then such a stop counts as a cancel. Behind a
proxy the peer is the proxy, which keeps its connection when one of its clients loses its
own: such a loss counts as a cancel. A client that cancels and closes its channel at once may count
as a disconnect.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from grpc_channelz.v1 import channelz_pb2
from grpc_channelz.v1.channelz import ChannelzServicer

_SETTLE_SECONDS = 0.05
"""How long a lost connection may take to vanish from channelz."""
_ANSWERS_IN_A_TURN = 10
"""After how many answers other work has its turn on the loop."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

# The servicer needs a context only to refuse what we do not ask.
_NO_CONTEXT: Any = None


class Connections:
    """Knows which peers are still connected. Needs a server with ``grpc.enable_channelz``."""

    def __init__(self) -> None:
        """Begin with nobody asking."""
        self._asked: list[tuple[str, Callable[[bool], None]]] = []
        self._answering: asyncio.Task[None] | None = None
        self._hanging_up = False

    def hang_up(self) -> None:
        """Take every peer for connected from now on: the server itself closes the connections."""
        self._hanging_up = True

    def ask(self, peer: str, answer: Callable[[bool], None]) -> None:
        """Call `answer` with whether `peer` is connected, when a lost connection has vanished.

        To be asked when none of the peer's handlers runs any more: as long as one does, gRPC keeps
        the socket in its books. `answer` must return at once, and not raise.
        """
        self._asked.append((peer, answer))
        if self._answering is None:
            self._answering = asyncio.ensure_future(self._answer())

    async def _answer(self) -> None:
        # All that ask within the time to settle share one look; a storm costs little more than one.
        while asked := self._asked:
            self._asked = []
            await asyncio.sleep(_SETTLE_SECONDS)
            connected = self._peers()
            for number, (peer, answer) in enumerate(asked, 1):
                answer(self._hanging_up or connected is None or peer in connected)
                if not number % _ANSWERS_IN_A_TURN:
                    await asyncio.sleep(0)
        self._answering = None

    def _peers(self) -> set[str] | None:
        """Return the connected peers; None where gRPC does not tell."""
        try:
            # A socket's name is its transport and its peer: "chttp2 ipv4:192.0.2.1:50000".
            sockets = (socket for server in _servers() for socket in _sockets(server))
            return {socket.name.rpartition(" ")[2] for socket in sockets}
        except Exception:  # noqa: BLE001  # whatever it is, every RPC is concluded
            _log.exception("channelz cannot be read: lost connections count as cancels")
            return None


def _servers() -> list[int]:
    response = ChannelzServicer.GetServers(channelz_pb2.GetServersRequest(), _NO_CONTEXT)
    return [server.ref.server_id for server in response.server]


def _sockets(server_id: int) -> list[channelz_pb2.SocketRef]:
    sockets: list[channelz_pb2.SocketRef] = []
    while True:
        next_id = sockets[-1].socket_id + 1 if sockets else 0
        request = channelz_pb2.GetServerSocketsRequest(server_id=server_id, start_socket_id=next_id)
        page = ChannelzServicer.GetServerSockets(request, _NO_CONTEXT)
        sockets.extend(page.socket_ref)
        if page.end or not page.socket_ref:
            return sockets
