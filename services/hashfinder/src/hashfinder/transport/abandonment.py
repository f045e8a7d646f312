"""Who stopped an RPC that gRPC cancelled: the client, its deadline, or its connection.

gRPC for Python tells a handler of all three in the same way, by cancelling its task, so the cause
is found out afterwards, when the worker is free again:

* The deadline has passed where hardly any time remains. Clients round a deadline up by up to 1 % on
  the wire, so that the server's own view of it comes that much later.
* Otherwise the connection decides. A client that cancels keeps it; one that lost it, or died, does
  not, and gRPC's own bookkeeping (channelz) forgets its socket within milliseconds.

Behind a proxy the peer is the proxy, which keeps its connection when one of its clients loses its
own: such a loss counts as a cancel. A client that cancels and closes its channel at once may count
as a disconnect.
"""

import asyncio

from grpc_channelz.v1 import channelz_pb2
from grpc_channelz.v1.channelz import ChannelzServicer

from hashfinder.domain.errors import Cause

_DEADLINE_SLACK_SECONDS = 0.025
_DEADLINE_SLACK_RATIO = 0.01
_SETTLE_SECONDS = 0.05
"""How long a lost connection may take to vanish from channelz."""


class Abandonment:
    """Finds the cause of a cancelled RPC. Needs a server with ``grpc.enable_channelz``."""

    def __init__(self) -> None:
        """Begin without a snapshot."""
        self._snapshot: asyncio.Task[set[str]] | None = None

    async def cause(
        self, peer: str, remaining: float | None, initial_remaining: float | None
    ) -> Cause:
        """Return `deadline`, `client_cancel` or `disconnect`.

        Args:
            peer: the client's address, as gRPC tells it.
            remaining: how many seconds are left to the deadline; None for no deadline.
            initial_remaining: how many were left when the RPC began.
        """
        if remaining is not None and initial_remaining is not None:
            slack = _DEADLINE_SLACK_SECONDS + _DEADLINE_SLACK_RATIO * initial_remaining
            if remaining <= slack:
                return Cause.DEADLINE
        await asyncio.sleep(_SETTLE_SECONDS)
        return Cause.CLIENT_CANCEL if peer in await self._peers() else Cause.DISCONNECT

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
    response = ChannelzServicer.GetServers(channelz_pb2.GetServersRequest(), None)
    return [server.ref.server_id for server in response.server]


def _sockets(server_id: int) -> list[channelz_pb2.SocketRef]:
    sockets: list[channelz_pb2.SocketRef] = []
    while True:
        next_id = sockets[-1].socket_id + 1 if sockets else 0
        request = channelz_pb2.GetServerSocketsRequest(server_id=server_id, start_socket_id=next_id)
        page = ChannelzServicer.GetServerSockets(request, None)
        sockets.extend(page.socket_ref)
        if page.end or not page.socket_ref:
            return sockets
