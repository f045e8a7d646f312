"""The sockets that are listened on, whose connections notice a peer that has vanished."""

import socket

_BACKLOG = 512
_PROBES = 3


class BindError(Exception):
    """An address cannot be listened on. The operator acts."""


def listen(host: str, port: int, peer_seconds: int) -> list[socket.socket]:
    """Return a listener for each address of `host`, all on one port; port 0 takes any free one.

    Accepted connections inherit the options: a silent peer is probed, and one that acknowledges
    nothing for `peer_seconds` has lost its connection. Without them, one whose network is gone
    would keep its search for hours.

    Raises:
        BindError: an address is in use, or not ours.
    """
    listeners: list[socket.socket] = []
    try:
        for family, address in _resolve(host):
            bound = listeners[0].getsockname()[1] if listeners else port
            listener = socket.create_server((address, bound), family=family, backlog=_BACKLOG)
            listeners.append(listener)
            listener.setblocking(False)  # noqa: FBT003  # as the library has it
            _notice_lost_peers(listener, peer_seconds)
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


def _notice_lost_peers(listener: socket.socket, seconds: int) -> None:
    interval = max(1, seconds // (_PROBES + 1))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {"TCP_KEEPIDLE": interval, "TCP_KEEPINTVL": interval, "TCP_KEEPCNT": _PROBES}
    options["TCP_USER_TIMEOUT"] = seconds * 1000
    for name, value in options.items():
        if (number := getattr(socket, name, None)) is not None:  # macOS has other names for some
            listener.setsockopt(socket.IPPROTO_TCP, number, value)
