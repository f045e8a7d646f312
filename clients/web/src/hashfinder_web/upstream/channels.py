"""A channel for each client: clients that share a connection would share one client's part.

A channel that is not in use is kept for a while. It outlives a cancelled RPC in any case: the
server distinguishes a cancelled RPC from a lost peer by the connection.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from hashfinder_client.channel import KEEPALIVE, LINGER, Options, channel_options, connect_async
from hashfinder_client.tls import Tls

_IDLE_SECONDS = 30.0
_IDLE_CHANNELS = 32
"""How many are kept so long; the others as short as is right after a cancel."""
_OPTIONS: Options = [
    # A stream that its client does not read holds this much here, and not some megabytes.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 64 * 1024),
    ("grpc.primary_user_agent", "hashfinder-web"),
    *KEEPALIVE,
]


@dataclass(eq=False, slots=True)
class Lease:
    """A channel, in use by some RPCs of one client."""

    client: str
    channel: grpc.aio.Channel
    uses: int = 0
    closing: asyncio.TimerHandle | None = None


class ChannelPool:
    """The channels to one target."""

    def __init__(
        self,
        target: str,
        tls: Tls | None = None,
        open_channel: Callable[[str, Options, Tls | None], grpc.aio.Channel] = connect_async,
    ) -> None:
        """Take where they lead, one of the forms of `check_target`, and how to speak TLS."""
        self._target = target
        self._tls = tls
        self._options = list({**dict(channel_options(target)), **dict(_OPTIONS)}.items())
        self._open = open_channel
        self._leases: dict[str, Lease] = {}
        self._idle = 0
        self._closings: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return how many channels the next RPCs may get."""
        return len(self._leases)

    def acquire(self, client: str) -> Lease:
        """Return the channel of `client`, which must be released when the RPC has ended.

        Raises:
            ValueError: a file of TLS cannot be used any more.
        """
        lease = self._leases.get(client)
        if lease is None:
            channel = self._open(self._target, self._options, self._tls)
            lease = self._leases[client] = Lease(client, channel)
        elif lease.closing is not None:
            lease.closing.cancel()
            lease.closing = None
            self._idle -= 1
        lease.uses += 1
        return lease

    def release(self, lease: Lease, *, renew: bool = False) -> None:
        """Take back a channel; the client's next RPC gets another one if `renew`."""
        lease.uses -= 1
        if renew and self._leases.get(lease.client) is lease:
            del self._leases[lease.client]
        if lease.uses:
            return
        is_kept = self._leases.get(lease.client) is lease and self._idle < _IDLE_CHANNELS
        self._idle += 1
        loop = asyncio.get_running_loop()
        seconds = _IDLE_SECONDS if is_kept else LINGER
        lease.closing = loop.call_later(seconds, self._close, lease)

    async def close(self) -> None:
        """Close all of them, not before cancels have gone out."""
        await asyncio.sleep(LINGER)
        for lease in list(self._leases.values()):
            if lease.closing is not None:
                lease.closing.cancel()
            self._close(lease)
        if self._closings:
            await asyncio.wait(self._closings)

    def _close(self, lease: Lease) -> None:
        self._idle -= 1
        if self._leases.get(lease.client) is lease:
            del self._leases[lease.client]
        task = asyncio.ensure_future(lease.channel.close())
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)
