"""The open connections of a listener, by the hosts that they come from.

Where as many are open as may be, one of the host that has the most makes room for another. So no
host keeps the others out.
"""

import ipaddress
from typing import Generic, TypeVar

T = TypeVar("T")

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Where a translator puts IPv4 clients (RFC 6052): a prefix would make all of them one host."""


class OpenConnections(Generic[T]):
    """Connections of any kind, which must be hashable. Not thread-safe."""

    def __init__(self) -> None:
        """Begin with none."""
        self._hosts: dict[T, str] = {}
        self._by_host: dict[str, dict[T, None]] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._hosts)

    def add(self, connection: T, address: str) -> None:
        """Take one that has been opened from an IP address."""
        host = self._hosts[connection] = host_of(address)
        self._by_host.setdefault(host, {})[connection] = None

    def remove(self, connection: T) -> None:
        """Forget one, if it is there."""
        if (host := self._hosts.pop(connection, None)) is None:
            return
        del self._by_host[host][connection]
        if not self._by_host[host]:
            del self._by_host[host]

    def beside(self, connection: T) -> list[T]:
        """Return those of the host of `connection`, the oldest first."""
        return list(self._by_host[self._hosts[connection]])

    def of_the_largest(self) -> list[T]:
        """Return those of the host that has the most, the oldest first."""
        largest: dict[T, None] = max(self._by_host.values(), key=len, default={})
        return list(largest)


def host_of(address: str, ipv6_prefix: int = 64) -> str:
    """Return what stands for the host that has an IP address.

    An IPv6 address stands for its network of `ipv6_prefix` bits, since one household or host
    usually has a whole /64. IPv4 addresses are taken whole, in whatever way they are written. What
    is no address is a host as it is.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed in _NAT64:
        return str(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF))
    if parsed.is_link_local:  # all neighbours on a link share one prefix; the zone is the link
        return str(parsed)
    return str(ipaddress.IPv6Network((int(parsed), ipv6_prefix), strict=False))
