"""A channel that is replaced when its server drains.

A draining server refuses searches, and keeps its connections for as long as any search runs on it.
Behind a balancer, or a name that nothing resolves again, every further RPC on such a connection
would be refused as well. A new channel with a new connection leads to a server that serves.
"""

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

import grpc

from hashfinder_client.channel import Options, channel_options
from hashfinder_client.errors import FinderClosedError
from hashfinder_client.proxy import proxy_note
from hashfinder_client.target import check_target

_Channel = TypeVar("_Channel", grpc.Channel, grpc.aio.Channel)


class RenewableChannel(Generic[_Channel]):
    """The channel for the next RPC, and those that RPCs still use. Thread-safe."""

    def __init__(
        self, target: str | _Channel, open_channel: Callable[[str, Options], _Channel]
    ) -> None:
        """Open the first channel, which connects with the first RPC.

        Args:
            target: one of the forms of `check_target`; or a channel, which is never replaced and
                remains the caller's.
            open_channel: opens a channel to a target, with options.

        Raises:
            ValueError: the target is none of these.
        """
        self._lock = threading.Lock()
        self._uses: Counter[_Channel] = Counter()
        self._renew: Callable[[], _Channel] | None = None
        self.note = proxy_note(target) if isinstance(target, str) else ""
        """What is worth knowing about the way to the server where that fails."""
        self._is_closed = False
        self._current: _Channel
        if isinstance(target, str):
            self._renew = partial(open_channel, check_target(target), channel_options(target))
            self._current = self._renew()
        else:
            self._current = target

    def acquire(self) -> _Channel:
        """Return the channel for an RPC, which must be released when the RPC has ended.

        Raises:
            FinderClosedError: it is closed.
        """
        with self._lock:
            if self._is_closed:
                raise FinderClosedError
            self._uses[self._current] += 1
            return self._current

    def release(self, channel: _Channel, *, renew: bool) -> _Channel | None:
        """Take back a channel; return it where it was replaced and must be closed now.

        Args:
            channel: what `acquire` returned.
            renew: whether the next RPC gets another channel, as
                `RpcStatus.calls_for_another_channel` says.
        """
        with self._lock:
            self._uses[channel] -= 1
            if renew and channel is self._current and self._renew and not self._is_closed:
                self._current = self._renew()
            if channel is self._current or self._uses[channel]:
                return None
            del self._uses[channel]
            return channel

    def close(self) -> list[_Channel]:
        """Give no channel any more; return every one that was opened here and must be closed."""
        with self._lock:
            self._is_closed = True
            return list({self._current: None, **self._uses}) if self._renew else []
