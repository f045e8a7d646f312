"""Whether the connection of a cancelled RPC outlived it."""

import asyncio

import pytest
from grpc_channelz.v1 import channelz_pb2
from grpc_channelz.v1.channelz import ChannelzServicer

from hashfinder.transport.abandonment import Connections
from tests.unit.virtual_time import run

PEER = "ipv4:192.0.2.1:50000"
STRANGER = "ipv4:192.0.2.1:50001"


class Books:
    """Stands for gRPC's own books: two servers, whose sockets come page by page."""

    page_size = 3

    def __init__(self, peers: list[list[str]]) -> None:
        """Take the peers of each server."""
        self.peers = peers
        self.asked = 0

    def servers(self, _request: object, _context: object) -> channelz_pb2.GetServersResponse:
        """Answer ``GetServers``."""
        self.asked += 1
        response = channelz_pb2.GetServersResponse(end=True)
        for number in range(len(self.peers)):
            response.server.add().ref.server_id = 100 + number
        return response

    def sockets(
        self, request: channelz_pb2.GetServerSocketsRequest, _context: object
    ) -> channelz_pb2.GetServerSocketsResponse:
        """Answer ``GetServerSockets``: every other number is a socket, from the one asked for."""
        peers = list(enumerate(self.peers[request.server_id - 100]))
        left = [(2 * n + 2, peer) for n, peer in peers if 2 * n + 2 >= request.start_socket_id]
        response = channelz_pb2.GetServerSocketsResponse(end=len(left) <= self.page_size)
        for number, peer in left[: self.page_size]:
            response.socket_ref.add(socket_id=number, name=f"chttp2 {peer}")
        return response


def books(monkeypatch: pytest.MonkeyPatch, *peers: list[str]) -> Books:
    """Replace gRPC's books."""
    replaced = Books(list(peers))
    monkeypatch.setattr(ChannelzServicer, "GetServers", replaced.servers)
    monkeypatch.setattr(ChannelzServicer, "GetServerSockets", replaced.sockets)
    return replaced


async def answer(connections: Connections, peer: str) -> bool:
    """Ask whether a peer is connected, and wait for the answer."""
    answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    connections.ask(peer, answered.set_result)
    return await answered


@pytest.mark.parametrize("before", [0, 1, 2, 3, 4, 7])
def test_peer_is_connected_while_any_server_has_its_socket(
    monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """Whichever page it is on."""
    others = [f"ipv4:198.51.100.1:{n}" for n in range(before)]
    books(monkeypatch, [], [*others, PEER])
    assert run(answer(Connections(), PEER))
    assert not run(answer(Connections(), STRANGER))


def test_peer_is_gone_where_there_is_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there is no server."""
    books(monkeypatch, [], [])
    assert not run(answer(Connections(), PEER))
    books(monkeypatch)
    assert not run(answer(Connections(), PEER))


def test_many_who_ask_at_once_share_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A storm of cancellations costs one snapshot; who asks later gets a new one."""
    replaced = books(monkeypatch, [PEER])

    async def scenario() -> None:
        connections = Connections()
        peers = [PEER, STRANGER] * 50
        answers = await asyncio.gather(*(answer(connections, peer) for peer in peers))
        assert [True, False] * 50 == answers
        assert 1 == replaced.asked
        replaced.peers = [[STRANGER]]
        assert not await answer(connections, PEER)
        assert 2 == replaced.asked

    run(scenario())


def test_who_asks_while_others_wait_waits_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own connection has to have time to vanish: it does not share the earlier look."""
    replaced = books(monkeypatch, [PEER])

    async def scenario() -> None:
        connections = Connections()
        first = asyncio.create_task(answer(connections, PEER))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(answer(connections, PEER))
        assert await first
        replaced.peers = [[]]
        assert not await second
        assert 2 == replaced.asked

    run(scenario())


def test_other_work_goes_on_between_many_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop has a turn after some ten of them."""
    books(monkeypatch, [PEER])

    async def scenario() -> None:
        connections = Connections()
        told: list[bool] = []
        for _ in range(1000):
            connections.ask(PEER, told.append)
        seen = set()
        while len(told) < 1000:
            seen.add(len(told))
            await asyncio.sleep(0 if told else 0.01)
        assert len(seen) > 50

    run(scenario())


def test_books_are_read_after_a_lost_connection_has_had_time_to_vanish(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some 50 ms."""
    replaced = books(monkeypatch, [PEER])

    async def scenario() -> None:
        asking = asyncio.create_task(answer(Connections(), PEER))
        await asyncio.sleep(0.01)
        assert 0 == replaced.asked
        replaced.peers = [[]]
        assert not await asking

    run(scenario())


def test_server_that_hangs_up_takes_every_peer_for_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It closes the connections itself: they tell nothing about the clients any more."""
    books(monkeypatch, [])

    async def scenario() -> None:
        connections = Connections()
        asking = asyncio.create_task(answer(connections, PEER))
        await asyncio.sleep(0)
        connections.hang_up()
        assert await asking

    run(scenario())


def test_everybody_is_answered_also_where_the_books_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lost connection then counts as a cancel, and no drain waits for ever."""

    def broken(_request: object, _context: object) -> channelz_pb2.GetServersResponse:
        raise RuntimeError

    monkeypatch.setattr(ChannelzServicer, "GetServers", broken)

    async def scenario() -> None:
        connections = Connections()
        peers = (PEER, STRANGER)
        assert [True] * 2 == await asyncio.gather(*(answer(connections, peer) for peer in peers))

    run(scenario())
