"""Who a client is, from the peer as gRPC names it."""

import pytest

from hashfinder.transport.identity import ClientIdentity, identify_by


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:50000", "192.0.2.1"),
        ("ipv4:192.0.2.1:50001", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:50000", "[2001:db8::1]"),
        ("ipv6:[2001:db8::1]:50000", "[2001:db8::1]"),
        ("ipv6:%5B::1%5D:1", "[::1]"),
        ("ipv6:%5Bfe80::1%25eth0%5D:50000", "[fe80::1%eth0]"),
        ("unix:/run/hashfinder.sock", "unix:/run/hashfinder.sock"),
        ("unix:", "unix:"),
        ("unix-abstract:name:1", "unix-abstract:name:1"),
        ("unknown", "unknown"),
        ("", ""),
        ("ipv5:1:2", "ipv5:1:2"),
    ],
)
def test_address_is_the_peer_without_its_port(peer: str, address: str) -> None:
    """What is no Internet address is a client as it is: nothing fails."""
    assert address == identify_by(ClientIdentity.ADDRESS)(peer)


@pytest.mark.parametrize("peer", ["ipv4:192.0.2.1:50000", "ipv6:%5B::1%5D:1", "unix:/x", ""])
def test_connection_is_the_peer_as_it_is(peer: str) -> None:
    """Each connection has a port of its own."""
    assert peer == identify_by(ClientIdentity.CONNECTION)(peer)


def test_settings_name_the_identities() -> None:
    """By the values that the flag takes."""
    assert ["address", "connection"] == list(ClientIdentity)
