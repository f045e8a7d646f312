"""Was an RPC cancelled by its client, or because its connection was lost?"""

import asyncio
import socket
import time
from collections.abc import Iterator

import grpc
import pytest

from hashfinder.transport.abandonment import Connections
from hashfinder.transport.core import connected_peers, server_ids
from tests.http2 import PREFACE, SETTINGS, frame
from tests.unit.virtual_time import now, run

PEER = "ipv4:192.0.2.1:50000"
STRANGER = "ipv4:192.0.2.1:50001"


class FakeChannelz:
    """Replaces channelz: pages of peers."""

    def __init__(self, pages: list[list[str]]) -> None:
        """Store the peers of each page."""
        self.peers = pages
        self.asked = 0
        self.read = 0

    def pages(self, _servers: object) -> Iterator[set[str]]:
        """Replace `connected_peers`."""
        self.asked += 1
        for page in self.peers:
            self.read += 1
            yield set(page)


def fake_channelz(monkeypatch: pytest.MonkeyPatch, *peers: list[str]) -> FakeChannelz:
    """Replace channelz for a test."""
    replaced = FakeChannelz(list(peers))
    monkeypatch.setattr("hashfinder.transport.abandonment.connected_peers", replaced.pages)
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
    """The peer may be on any page; later pages are not read."""
    others = [[f"ipv4:198.51.100.1:{n}"] for n in range(before)]
    replaced = fake_channelz(monkeypatch, *others, [PEER], ["ipv4:198.51.100.2:1"])
    assert run(answer(Connections(), PEER))
    assert before + 1 == replaced.read
    assert not run(answer(Connections(), STRANGER))


def test_peer_is_gone_where_there_is_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer without a socket is gone, also if there is no server."""
    fake_channelz(monkeypatch, [], [])
    assert not run(answer(Connections(), PEER))
    fake_channelz(monkeypatch)
    assert not run(answer(Connections(), PEER))


def test_concurrent_questions_share_one_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """A storm of cancels costs one snapshot; a later question gets a new one."""
    replaced = fake_channelz(monkeypatch, [PEER])

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


def test_question_during_a_snapshot_waits_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own connection must have time to disappear, so it does not share the earlier snapshot."""
    replaced = fake_channelz(monkeypatch, [PEER])

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


def test_loop_runs_between_many_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop runs other tasks after about ten answers."""
    fake_channelz(monkeypatch, [PEER])

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


def test_channelz_is_read_after_a_delay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lost connection disappears from channelz within some 50 ms."""
    replaced = fake_channelz(monkeypatch, [PEER])

    async def scenario() -> None:
        asking = asyncio.create_task(answer(Connections(), PEER))
        await asyncio.sleep(0.01)
        assert 0 == replaced.asked
        replaced.peers = [[]]
        assert not await asking

    run(scenario())


def test_peers_count_as_connected_once_the_server_closes_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server closes the connections itself, so they say nothing about the clients."""
    fake_channelz(monkeypatch, [])

    async def scenario() -> None:
        connections = Connections()
        asking = asyncio.create_task(answer(connections, PEER))
        await asyncio.sleep(0)
        connections.hang_up()
        assert await asking

    run(scenario())


def test_every_question_is_answered_if_channelz_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lost connection then counts as a cancel, and no drain waits forever."""

    def broken(_servers: object) -> Iterator[set[str]]:
        raise RuntimeError

    monkeypatch.setattr("hashfinder.transport.abandonment.connected_peers", broken)

    async def scenario() -> None:
        connections = Connections()
        peers = (PEER, STRANGER)
        assert [True] * 2 == await asyncio.gather(*(answer(connections, peer) for peer in peers))

    run(scenario())


def test_every_question_is_answered_if_the_servers_are_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lost connection then counts as a cancel."""

    def broken() -> list[int]:
        raise AttributeError

    monkeypatch.setattr("hashfinder.transport.abandonment.server_ids", broken)
    connections = Connections()
    connections.watch_servers()
    assert run(answer(connections, PEER))


def test_fault_of_one_answer_leaves_the_others_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the same look, and all who ask later: each RPC is concluded, but that one."""
    fake_channelz(monkeypatch, [PEER])

    def broken(_: bool) -> None:  # noqa: FBT001  # an answer
        raise RuntimeError

    async def scenario() -> None:
        connections = Connections()
        connections.ask(PEER, broken)
        assert await answer(connections, PEER)
        assert await answer(connections, PEER)

    run(scenario())


def test_slow_snapshots_are_spaced_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """With thousands of connections and steady cancels, snapshots take 5 % of the event loop."""
    replaced = fake_channelz(monkeypatch, [PEER])
    cost = 0.02

    def slow(servers: object) -> Iterator[set[str]]:
        began = time.perf_counter()
        while time.perf_counter() - began < cost:
            pass
        yield from replaced.pages(servers)

    monkeypatch.setattr("hashfinder.transport.abandonment.connected_peers", slow)

    async def scenario() -> None:
        connections = Connections()
        end = now() + 10
        while now() < end:
            connections.ask(PEER, lambda _: None)
            await asyncio.sleep(0.01)

    run(scenario())
    assert 10 <= replaced.asked <= 10 / (20 * cost) + 2


async def test_open_connections_are_those_that_grpc_knows() -> None:
    """This uses gRPC's private API: if it fails, gRPC has changed; see `transport.core`.

    More connections than fit on one page open and close.
    """
    server = grpc.aio.server(options=[("grpc.enable_channelz", 1)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(600)]
    wanted = {f"ipv4:127.0.0.1:{each.getsockname()[1]}" for each in opened}
    for each in opened:
        each.sendall(PREFACE + frame(SETTINGS, 0, 0))

    async def eventually(expected: set[str]) -> None:
        async with asyncio.timeout(20):
            while expected != wanted & set().union(*connected_peers(server_ids())):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    await eventually(wanted)
    pages = list(connected_peers(server_ids()))
    assert len(pages) >= 3
    assert max(map(len, pages)) <= 250  # others have their turn between two of them
    for each in opened:
        each.close()
    await eventually(set())
    servers = server_ids()
    await server.stop(None)
    assert set() == wanted & set().union(*connected_peers(servers))  # the server has ended
