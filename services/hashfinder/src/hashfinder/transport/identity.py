"""Who a client is, for quotas and fair shares."""

import ipaddress
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote

from hashfinder_process.connections import host_of

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

    By address, an IPv6 client is its network of `ipv6_prefix` bits, as `host_of` has it.
    """
    if identity is ClientIdentity.CONNECTION:
        return lambda peer: peer

    @lru_cache(maxsize=_REMEMBERED)
    def network_of(peer: str) -> str:
        # ipv4:192.0.2.1:50000, ipv6:%5B2001:db8::1%5D:50000, unix:/path
        scheme, _, rest = unquote(peer).partition(":")
        if scheme not in {"ipv4", "ipv6"}:
            return peer
        return host_of(rest.rpartition(":")[0].strip("[]"), ipv6_prefix)

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
