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
from typing import Any

from grpc_channelz.v1 import channelz_pb2
from grpc_channelz.v1.channelz import ChannelzServicer

_DEADLINE_SLACK_SECONDS = 0.025
_DEADLINE_SLACK_RATIO = 0.01
_SETTLE_SECONDS = 0.05
"""How long a lost connection may take to vanish from channelz."""

# The servicer needs a context only to refuse what we do not ask.
_NO_CONTEXT: Any = None


def deadline_passed(remaining: float | None, initial_remaining: float | None) -> bool:
    """Return whether an RPC that gRPC cancelled had come to its deadline.

    Args:
        remaining: how many seconds are left, when the handler was cancelled; None for no deadline.
        initial_remaining: how many were left when it began.
    """
    if remaining is None or initial_remaining is None:
        return False
    return remaining <= _DEADLINE_SLACK_SECONDS + _DEADLINE_SLACK_RATIO * initial_remaining


class Connections:
    """Knows which peers are still connected. Needs a server with ``grpc.enable_channelz``."""

    def __init__(self) -> None:
        """Begin without a snapshot."""
        self._snapshot: asyncio.Task[set[str]] | None = None
        self._hanging_up = False

    def hang_up(self) -> None:
        """Take every peer for connected from now on: the server itself closes the connections."""
        self._hanging_up = True

    async def is_open(self, peer: str) -> bool:
        """Return whether `peer` is connected, a little later, when a lost connection has vanished.

        To be asked when none of the peer's handlers runs any more: as long as one does, gRPC keeps
        the socket in its books.
        """
        await asyncio.sleep(_SETTLE_SECONDS)
        return self._hanging_up or peer in await self._peers()

    async def _peers(self) -> set[str]:
        # All RPCs that ask in the same turn of the loop share one snapshot: a storm costs little.
        if self._snapshot is None:
            self._snapshot = asyncio.ensure_future(self._take_snapshot())
        return await asyncio.shield(self._snapshot)

    async def _take_snapshot(self) -> set[str]:
        await asyncio.sleep(0)
        self._snapshot = None
        # A socket's name is its transport and its peer: "chttp2 ipv4:192.0.2.1:50000".
        sockets = (socket for server in _servers() for socket in _sockets(server))
        return {socket.name.rpartition(" ")[2] for socket in sockets}


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
