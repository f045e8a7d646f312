"""When a peer counts as lost, judged by the kernel's data about its connection."""

import socket

import pytest

from hashfinder_web.peers import Peer

needs_tcp_info = pytest.mark.skipif(
    not hasattr(socket, "TCP_INFO"), reason="the system does not say"
)


class FakeConnection:
    """A connection with this many retransmissions or probes."""

    def __init__(self, retransmits: int = 0, probes: int = 0) -> None:
        self.retransmits = retransmits
        self.probes = probes

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """Return the first part of Linux's TCP_INFO."""
        return bytes((1, 0, self.retransmits, self.probes))


@needs_tcp_info
@pytest.mark.parametrize("owing", [FakeConnection(retransmits=1), FakeConnection(probes=2)])
def test_a_peer_that_does_not_answer_is_lost_after_the_timeout(owing: FakeConnection) -> None:
    """The time starts at the first check at which an answer is missing."""
    peer = Peer(10)

    assert [False, False, True] == [peer.is_lost(owing, now) for now in (5, 14, 15)]


@needs_tcp_info
def test_an_answer_resets_the_timeout() -> None:
    """A client that does not read is probed repeatedly, and answers each time."""
    peer, quiet, owing = Peer(10), FakeConnection(), FakeConnection(probes=1)

    looks = [(owing, 0), (quiet, 9), (owing, 10), (owing, 19), (owing, 20)]
    assert [False, False, False, False, True] == [peer.is_lost(what, now) for what, now in looks]


def test_a_connection_that_was_closed_is_not_lost() -> None:
    """Its end is already known."""
    with socket.socket() as connection:
        pass

    assert not Peer(0).is_lost(connection, 1)
