"""Who stopped an RPC that gRPC cancelled: the client, its deadline, or its connection.

gRPC for Python reports all three to a handler in the same way, by cancelling its task, so the cause
is found out afterwards, when the worker is free again and the handler has ended:

* The deadline has passed where hardly any time remains. Clients round a deadline up by up to 1 % on
  the wire, so that the server's own view of it comes that much later.
* Otherwise the connection decides. A client that cancels keeps it; one that lost it, or died, does
  not, and channelz forgets its socket when its last handler has ended.

A server that drains closes its connections itself: then such a stop counts as a cancel. Behind a
proxy the peer is the proxy, which keeps its connection when one of its clients loses its
own: such a loss counts as a cancel. A client that cancels and closes its channel at once may count
as a disconnect.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from hashfinder.transport.core import connected_peers, server_ids

_SETTLE_SECONDS = 0.05
"""How long a lost connection may take to vanish from channelz."""
_WAIT_FOR_COST = 20
"""How many times as long as a look took the next one waits: it takes a twentieth of the loop."""
_LONGEST_WAIT_SECONDS = 1.0
_ANSWERS_IN_A_TURN = 10
"""After how many answers other work has its turn on the loop."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Connections:
    """Knows which peers are still connected. Needs a server with ``grpc.enable_channelz``."""

    def __init__(self) -> None:
        """Begin without questions."""
        self._asked: list[tuple[str, Callable[[bool], None]]] = []
        self._answering: asyncio.Task[None] | None = None
        self._hanging_up = False
        self._servers: list[int] = []
        self._readable = True

    def watch_servers(self) -> None:
        """Look into all servers of the process. To be called when there is a new one."""
        try:
            self._servers = server_ids()
        except Exception:  # noqa: BLE001  # it serves all the same
            self._readable = False
            _log.exception("channelz cannot be read: lost connections count as cancels")

    def hang_up(self) -> None:
        """Take every peer for connected from now on: the server itself closes the connections."""
        self._hanging_up = True

    def ask(self, peer: str, answer: Callable[[bool], None]) -> None:
        """Call `answer` with whether `peer` is connected, when a lost connection has vanished.

        To be asked when none of the peer's handlers runs any more: as long as one does, channelz
        lists the socket. `answer` must return at once.
        """
        self._asked.append((peer, answer))
        if self._answering is None:
            self._answering = asyncio.ensure_future(self._answer())

    async def _answer(self) -> None:
        # All that ask within the time to settle share one look; a storm costs little more than one.
        wait = _SETTLE_SECONDS
        while asked := self._asked:
            self._asked = []
            await asyncio.sleep(wait)
            missing, cost = await self._missing({peer for peer, _ in asked})
            wait = min(max(_SETTLE_SECONDS, _WAIT_FOR_COST * cost), _LONGEST_WAIT_SECONDS)
            for number, (peer, answer) in enumerate(asked, 1):
                try:
                    answer(self._hanging_up or peer not in missing)
                except Exception:  # noqa: BLE001  # else nobody would be answered any more
                    _log.exception("an RPC was not concluded")
                if not number % _ANSWERS_IN_A_TURN:
                    await asyncio.sleep(0)
        self._answering = None

    async def _missing(self, peers: set[str]) -> tuple[set[str], float]:
        """Return which of `peers` have no connection, and what looking took, in seconds.

        Where gRPC does not say, none of them.
        """
        if not self._readable:
            return set(), 0.0
        cost = 0.0
        began = time.perf_counter()
        try:
            for connected in connected_peers(self._servers):
                peers = peers - connected
                cost += time.perf_counter() - began
                if not peers:
                    break
                await asyncio.sleep(0)  # between two pages, others have their turn
                began = time.perf_counter()
        except Exception:  # noqa: BLE001  # whatever it is, every RPC is concluded
            _log.exception("channelz cannot be read: lost connections count as cancels")
            return set(), cost
        return peers, cost
