"""The sockets that are listened on."""

import errno
import socket

from hashfinder_web.peers import probe_silent_peers

_BACKLOG = 512
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_MOST_UNSENT = 64 * 1024
"""How many bytes the system holds for a client that does not read, beside what is on its way. By
itself, Linux takes up to some megabytes: for so long, the search would go on for nobody."""


class BindError(Exception):
    """An address cannot be listened on. The operator acts."""


def listen(host: str, port: int, peer_seconds: int) -> list[socket.socket]:
    """Return a listener for each address of `host`, all on one port; port 0 takes any free one.

    An address that this machine does not have is left out, unless none is left, such as ``::1`` for
    ``localhost`` where there is no IPv6.

    Accepted connections inherit that a peer is probed which is silent, for `peer_seconds`, and that
    little is held for one that does not read.

    Raises:
        BindError: an address is in use, or not ours.
    """
    listeners: list[socket.socket] = []
    try:
        absent: OSError | None = None
        for family, address in _resolve(host):
            bound = listeners[0].getsockname()[1] if listeners else port
            try:
                listener = socket.create_server((address, bound), family=family, backlog=_BACKLOG)
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error
                continue
            listeners.append(listener)
            listener.setblocking(False)  # noqa: FBT003  # as the library has it
            probe_silent_peers(listener, peer_seconds)
            if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _MOST_UNSENT)
        if absent is not None and not listeners:
            raise absent
    except OSError as error:
        for listener in listeners:
            listener.close()
        bracketed = f"[{host}]" if ":" in host else host
        message = f"cannot listen on {bracketed}:{port}: {error.strerror}"
        raise BindError(message) from error
    return listeners


def _resolve(host: str) -> list[tuple[socket.AddressFamily, str]]:
    found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))
