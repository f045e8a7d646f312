"""When a peer counts as lost: by what the kernel says of its connection."""

import socket

import pytest

from hashfinder_web.peers import Peer

needs_tcp_info = pytest.mark.skipif(
    not hasattr(socket, "TCP_INFO"), reason="the system does not say"
)


class FakeConnection:
    """A connection whose kernel has sent something again so often, or probed."""

    def __init__(self, retransmits: int = 0, probes: int = 0) -> None:
        self.retransmits = retransmits
        self.probes = probes

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """Return the head of what Linux says of a connection."""
        return bytes((1, 0, self.retransmits, self.probes))


@needs_tcp_info
@pytest.mark.parametrize("owing", [FakeConnection(retransmits=1), FakeConnection(probes=2)])
def test_a_peer_that_answers_nothing_is_lost_after_its_time(owing: FakeConnection) -> None:
    """The time counts from the first look at which an answer is missing."""
    peer = Peer(10)

    assert [False, False, True] == [peer.is_lost(owing, now) for now in (5, 14, 15)]


@needs_tcp_info
def test_an_answer_begins_the_time_anew() -> None:
    """A client that does not read is probed again and again, and answers each time."""
    peer, quiet, owing = Peer(10), FakeConnection(), FakeConnection(probes=1)

    looks = [(owing, 0), (quiet, 9), (owing, 10), (owing, 19), (owing, 20)]
    assert [False, False, False, False, True] == [peer.is_lost(what, now) for what, now in looks]


def test_a_connection_that_was_closed_is_not_lost() -> None:
    """Whoever closed it knows."""
    with socket.socket() as connection:
        pass

    assert not Peer(0).is_lost(connection, 1)
