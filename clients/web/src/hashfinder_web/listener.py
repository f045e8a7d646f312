"""The sockets that are listened on."""

import socket

from hashfinder_web.peers import probe_silent_peers

_BACKLOG = 512


class BindError(Exception):
    """An address cannot be listened on. The operator acts."""


def listen(host: str, port: int, peer_seconds: int) -> list[socket.socket]:
    """Return a listener for each address of `host`, all on one port; port 0 takes any free one.

    Accepted connections inherit that a peer is probed which is silent, for `peer_seconds`.

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
            probe_silent_peers(listener, peer_seconds)
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
