"""Who a client is, for quotas and fair shares."""

from collections.abc import Callable
from enum import StrEnum
from urllib.parse import unquote


class ClientIdentity(StrEnum):
    """What counts as one client."""

    ADDRESS = "address"
    """The peer's IP address: all connections of a host, or of a NAT or proxy, are one client."""
    CONNECTION = "connection"
    """The connection: for clients behind one proxy or balancer."""


def identify_by(identity: ClientIdentity) -> Callable[[str], str]:
    """Return a function from the peer, as gRPC names it, to the client's identity."""
    return _address if identity is ClientIdentity.ADDRESS else _connection


def _address(peer: str) -> str:
    # ipv4:192.0.2.1:50000, ipv6:%5B2001:db8::1%5D:50000, unix:/path
    scheme, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0] if scheme in {"ipv4", "ipv6"} else peer


def _connection(peer: str) -> str:
    return peer
