"""Listens on every address of a host, as gRPC does."""

import errno
import socket
from collections.abc import Iterable
from typing import Any, TypeAlias

_BACKLOG = 128
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  # what the operator may ask for
_Resolved: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listen(host: str, port: int) -> list[socket.socket]:
    """Return a non-blocking listener for each address of `host`, all on one port; 0 takes any.

    A wildcard of either family stands for both. An address that this machine does not have is left
    out, such as ``::1`` for ``localhost`` where there is no IPv6, unless none is left.

    Raises:
        OSError: no address can be listened on, or one is in use.
    """
    if host in _WILDCARDS and socket.has_dualstack_ipv6():
        listener = socket.create_server(
            ("::", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
        )
        listener.setblocking(False)  # noqa: FBT003  # as the library has it
        return [listener]
    listeners: list[socket.socket] = []
    absent: OSError | None = None
    for family, _, _, _, (address, *rest) in _resolve(host):
        bound = listeners[0].getsockname()[1] if listeners else port
        where = (address, bound, *rest[1:])
        try:
            listeners.append(socket.create_server(where, family=family, backlog=_BACKLOG))
        except OSError as error:
            if error.errno not in _ABSENT:
                close(listeners)
                raise
            absent = error
    if absent is not None and not listeners:
        raise absent
    for listener in listeners:
        listener.setblocking(False)  # noqa: FBT003  # as the library has it
    return listeners


def close(listeners: list[socket.socket]) -> None:
    """Close listeners."""
    for listener in listeners:
        listener.close()


def _resolve(host: str) -> Iterable[_Resolved]:
    if host == "localhost":  # both families, as gRPC has it, whatever /etc/hosts says
        return dict.fromkeys([*_resolve("127.0.0.1"), *_resolve("::1")])
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError as error:
        raise OSError(errno.EINVAL, f"{host!r} is no name of a host") from error
    return dict.fromkeys(found)
