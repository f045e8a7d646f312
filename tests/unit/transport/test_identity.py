"""Identify a client from the peer string of gRPC."""

import pytest

from hashfinder.transport.identity import ClientIdentity, identify_by


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("ipv4:192.0.2.1:50000", "192.0.2.1"),
        ("ipv4:192.0.2.1:50001", "192.0.2.1"),
        ("ipv6:%5B2001:db8:1:2::1%5D:50000", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:ffff:eeee:dddd:cccc]:50000", "2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:3::1%5D:50000", "2001:db8:1:3::/64"),
        ("ipv6:%5B::ffff:192.0.2.1%5D:50000", "192.0.2.1"),
        ("ipv6:%5B::ffff:c000:201%5D:50000", "192.0.2.1"),
        ("ipv6:%5B64:ff9b::c000:201%5D:50000", "192.0.2.1"),
        ("ipv6:%5B::1%5D:1", "::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:50000", "fe80::1%eth0"),
        ("ipv6:%5Bfe80::1%25eth1%5D:50000", "fe80::1%eth1"),
        ("ipv6:%5Bfe80::2%25eth0%5D:50000", "fe80::2%eth0"),
        ("ipv6:%5B2001:db8:1:2::1%25eth0%5D:50000", "2001:db8:1:2::/64"),
        ("unix:/run/hashfinder.sock", "unix:/run/hashfinder.sock"),
        ("unix:", "unix:"),
        ("unix-abstract:name:1", "unix-abstract:name:1"),
        ("unknown", "unknown"),
        ("", ""),
        ("ipv5:1:2", "ipv5:1:2"),
        ("ipv4:no.address:1", "no.address"),
    ],
)
def test_address_is_the_peer_without_its_port(peer: str, client: str) -> None:
    """An IPv6 client is its /64; a peer without an Internet address is used as it is."""
    assert client == identify_by(ClientIdentity.ADDRESS)(peer)


@pytest.mark.parametrize(
    ("prefix", "client"),
    [
        (128, "2001:db8:1:2:3::1/128"),
        (56, "2001:db8:1::/56"),
        (48, "2001:db8:1::/48"),
        (1, "::/1"),
    ],
)
def test_prefix_is_a_setting(prefix: int, client: str) -> None:
    """From a household's many networks down to single addresses; IPv4 is not affected."""
    client_of = identify_by(ClientIdentity.ADDRESS, prefix)
    assert client == client_of("ipv6:%5B2001:db8:1:2:3::1%5D:50000")
    assert "192.0.2.1" == client_of("ipv4:192.0.2.1:50000")


@pytest.mark.parametrize("peer", ["ipv4:192.0.2.1:50000", "ipv6:%5B::1%5D:1", "unix:/x", ""])
def test_connection_is_the_peer_as_it_is(peer: str) -> None:
    """Each connection has its own port."""
    assert peer == identify_by(ClientIdentity.CONNECTION)(peer)


def test_settings_name_the_identities() -> None:
    """The flag's values are the names of the identities."""
    assert ["address", "connection"] == list(ClientIdentity)
