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
from hashfinder_client.status import RpcStatus
from hashfinder_client.target import check_target
from hashfinder_client.tls import Tls, closed_note
from hashfinder_client.token_file import Metadata, TokenFile

_Channel = TypeVar("_Channel", grpc.Channel, grpc.aio.Channel)


class RenewableChannel(Generic[_Channel]):
    """The channel for the next RPC, and those that RPCs still use. Thread-safe."""

    def __init__(
        self,
        target: str | _Channel,
        open_channel: Callable[[str, Options, Tls | None], _Channel],
        tls: Tls | None = None,
        token: TokenFile | None = None,
    ) -> None:
        """Open the first channel, which connects with the first RPC.

        Args:
            target: one of the forms of `check_target`; or a channel, which is never replaced and
                remains the caller's.
            open_channel: opens a channel to a target, with options and TLS.
            tls: None for plain text.
            token: whom every RPC is made for; None for nobody in particular.

        Raises:
            ValueError: the target is none of these, or a file of `tls` cannot be used, or TLS or a
                token was given for a channel that is open, or the token would be sent in plain text
                over a network.
        """
        self._lock = threading.Lock()
        self._uses: Counter[_Channel] = Counter()
        self._renew: Callable[[], _Channel] | None = None
        self._proxy_note = proxy_note(target) if isinstance(target, str) else ""
        self._tls = tls
        self._stamps = tls and tls.stamps()
        self._token = token
        self._is_closed = False
        self._current: _Channel
        if isinstance(target, str):
            checked = check_target(target)
            if token is not None:
                token.check_way(checked, tls)
            self._renew = partial(open_channel, checked, channel_options(target), tls)
            self._current = self._renew()
        elif tls is not None:
            message = "tls: a channel brings its own"
            raise ValueError(message)
        elif token is not None:
            message = "token_file: nothing is known of the way of a channel that is open"
            raise ValueError(message)
        else:
            self._current = target

    @property
    def metadata(self) -> Metadata:
        """What an RPC sends beside its request. Not call credentials: `check_way` was asked."""
        return () if self._token is None else self._token.metadata()

    @property
    def is_closed(self) -> bool:
        """Whether it gives no channel any more, and RPCs on those that it opened are cancelled."""
        return self._is_closed

    def annotated(self, status: RpcStatus) -> RpcStatus:
        """Return `status` with what is worth knowing about the way to the server, if it failed."""
        return status.with_note(self._proxy_note + closed_note(status.text, self._tls))

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
            if channel is self._current and self._renew and not self._is_closed:
                self._replace(self._renew, renew=renew)
            if channel is self._current or self._uses[channel]:
                return None
            del self._uses[channel]
            return channel

    def _replace(self, open_channel: Callable[[], _Channel], *, renew: bool) -> None:
        """Open another channel, if that is asked for or the files of TLS have changed."""
        stamps = self._tls and self._tls.stamps()
        if not renew and stamps == self._stamps:
            return
        try:
            self._current = open_channel()
        except ValueError:  # A file is being written, or is broken: the former ones remain.
            return
        self._stamps = stamps

    def close(self) -> list[_Channel]:
        """Refuse further use; return every channel that was opened here and must be closed."""
        with self._lock:
            self._is_closed = True
            return list({self._current: None, **self._uses}) if self._renew else []
