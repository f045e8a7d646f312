"""Connections by host."""

import pytest

from hashfinder_process.connections import OpenConnections, host_of


def test_those_of_the_largest_host() -> None:
    """The oldest first; where two have as many, of the one that is there for longer."""
    connections = OpenConnections[int]()
    assert [] == connections.of_the_largest()
    for number, address in enumerate(["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.1"]):
        connections.add(number, address)
    assert [0, 3] == connections.of_the_largest()
    connections.remove(0)
    connections.remove(0)
    assert [1, 2] == connections.of_the_largest()
    assert [3] == connections.beside(3)
    for number in (1, 2, 3):
        connections.remove(number)
    assert [] == connections.of_the_largest()
    assert 0 == len(connections)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", False),
        ("", "x", False),
    ],
)
def test_addresses_of_one_host(one: str, other: str, same: bool) -> None:  # noqa: FBT001
    """An IPv6 host has a /64; addresses that stand for others have no host in common."""
    assert same == (host_of(one) == host_of(other))
