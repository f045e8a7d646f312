"""Who a client is, for quotas and fair shares."""

import ipaddress
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Where a translator puts IPv4 clients (RFC 6052): a prefix would make all of them one client."""
_REMEMBERED = 4096
"""Peers whose identity is not computed anew. Every RPC asks."""


class ClientIdentity(StrEnum):
    """What counts as one client."""

    ADDRESS = "address"
    """The peer's IP address: all connections of a host, or of a NAT or proxy, are one client."""
    CONNECTION = "connection"
    """The connection: for clients behind one proxy or balancer."""


def identify_by(identity: ClientIdentity, ipv6_prefix: int = 64) -> Callable[[str], str]:
    """Return a function from the peer, as gRPC names it, to the client's identity.

    By address, an IPv6 client is its network of `ipv6_prefix` bits, since one household or host
    usually has a whole /64. IPv4 addresses are taken whole, in whatever way they are written.
    """
    if identity is ClientIdentity.CONNECTION:
        return lambda peer: peer

    @lru_cache(maxsize=_REMEMBERED)
    def network_of(peer: str) -> str:
        # ipv4:192.0.2.1:50000, ipv6:%5B2001:db8::1%5D:50000, unix:/path
        scheme, _, rest = unquote(peer).partition(":")
        if scheme not in {"ipv4", "ipv6"}:
            return peer
        host = rest.rpartition(":")[0].strip("[]")
        try:
            return _network(ipaddress.ip_address(host), ipv6_prefix)
        except ValueError:  # no address: a client as it is
            return host

    return network_of


@lru_cache(maxsize=_REMEMBERED)
def is_local(peer: str) -> bool:
    """Return whether a peer, as gRPC names it, is on this machine."""
    scheme, _, rest = unquote(peer).partition(":")
    if scheme in {"unix", "unix-abstract"}:
        return True
    with suppress(ValueError):
        address = ipaddress.ip_address(rest.rpartition(":")[0].strip("[]"))
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback
    return False


def _network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, ipv6_prefix: int) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    if address in _NAT64:
        return str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.is_link_local:  # all neighbours on a link share one prefix; the zone is the link
        return str(address)
    return str(ipaddress.IPv6Network((int(address), ipv6_prefix), strict=False))
