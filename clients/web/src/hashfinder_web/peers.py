"""Notices peers that have vanished: their network is gone, and nothing says so.

Keepalive probes find one whose connection is silent. While data is on its way, TCP repeats it for a
quarter of an hour. TCP_USER_TIMEOUT would end that sooner, but also a connection whose client is
there and does not read: it counts the time in which the window is closed. So here a peer is lost
when it has acknowledged nothing that was repeated, for as long as it may be silent. One that does
not read acknowledges every probe of its window.
"""

import socket
import struct
from typing import Protocol

_INFO = struct.Struct("BBBB")  # the head of struct tcp_info: state, congestion, retransmits, probes
_PROBES = 3


class Connected(Protocol):
    """A connected socket, or what asyncio shows of one."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """Return an option."""


def probe_silent_peers(listener: socket.socket, seconds: int) -> None:
    """Let accepted connections end when their peer answers no probe for about `seconds`."""
    interval = max(1, seconds // (_PROBES + 1))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {"TCP_KEEPIDLE": interval, "TCP_KEEPINTVL": interval, "TCP_KEEPCNT": _PROBES}
    for name, value in options.items():
        if (number := getattr(socket, name, None)) is not None:  # not all systems have all
            listener.setsockopt(socket.IPPROTO_TCP, number, value)


class Peer:
    """What is known of one connection's peer."""

    def __init__(self, seconds: float) -> None:
        """Take for how long it may leave what was repeated unanswered."""
        self._seconds = seconds
        self._owing_since: float | None = None

    def is_lost(self, connection: Connected, now: float) -> bool:
        """Look at the connection at the time `now`; return whether the peer is lost."""
        if not _owes_an_answer(connection):
            self._owing_since = None
            return False
        if self._owing_since is None:
            self._owing_since = now
        return now - self._owing_since >= self._seconds


def _owes_an_answer(connection: Connected) -> bool:
    """Whether something was sent again, or a probe was sent, and no answer has come yet."""
    if not hasattr(socket, "TCP_INFO"):
        return False
    try:
        head = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
    except OSError:  # it was closed
        return False
    _, _, retransmits, probes = _INFO.unpack(head)
    return bool(retransmits or probes)
