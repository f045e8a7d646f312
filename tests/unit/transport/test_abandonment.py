"""Whether the connection of a cancelled RPC outlived it."""

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
    """Stands for channelz: pages of peers."""

    def __init__(self, pages: list[list[str]]) -> None:
        """Take the peers of each page."""
        self.peers = pages
        self.asked = 0
        self.read = 0

    def pages(self, _servers: object) -> Iterator[set[str]]:
        """Stand for `connected_peers`."""
        self.asked += 1
        for page in self.peers:
            self.read += 1
            yield set(page)


def fake_channelz(monkeypatch: pytest.MonkeyPatch, *peers: list[str]) -> FakeChannelz:
    """Replace channelz."""
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
    """Whichever page it is on; the pages after it are not read."""
    others = [[f"ipv4:198.51.100.1:{n}"] for n in range(before)]
    replaced = fake_channelz(monkeypatch, *others, [PEER], ["ipv4:198.51.100.2:1"])
    assert run(answer(Connections(), PEER))
    assert before + 1 == replaced.read
    assert not run(answer(Connections(), STRANGER))


def test_peer_is_gone_where_there_is_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there is no server."""
    fake_channelz(monkeypatch, [], [])
    assert not run(answer(Connections(), PEER))
    fake_channelz(monkeypatch)
    assert not run(answer(Connections(), PEER))


def test_many_who_ask_at_once_share_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A storm of cancellations costs one snapshot; who asks later gets a new one."""
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


def test_caller_that_joins_a_look_waits_the_whole_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own connection has to have time to vanish: it does not share the earlier look."""
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


def test_other_work_goes_on_between_many_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop has a turn after some ten of them."""
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


def test_channelz_is_read_after_a_lost_connection_has_had_time_to_vanish(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some 50 ms."""
    replaced = fake_channelz(monkeypatch, [PEER])

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
    fake_channelz(monkeypatch, [])

    async def scenario() -> None:
        connections = Connections()
        asking = asyncio.create_task(answer(connections, PEER))
        await asyncio.sleep(0)
        connections.hang_up()
        assert await asking

    run(scenario())


def test_everybody_is_answered_also_where_channelz_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lost connection then counts as a cancel, and no drain waits for ever."""

    def broken(_servers: object) -> Iterator[set[str]]:
        raise RuntimeError

    monkeypatch.setattr("hashfinder.transport.abandonment.connected_peers", broken)

    async def scenario() -> None:
        connections = Connections()
        peers = (PEER, STRANGER)
        assert [True] * 2 == await asyncio.gather(*(answer(connections, peer) for peer in peers))

    run(scenario())


def test_everybody_is_answered_also_where_the_servers_are_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lost connection then counts as a cancel."""

    def broken() -> list[int]:
        raise AttributeError

    monkeypatch.setattr("hashfinder.transport.abandonment.server_ids", broken)
    connections = Connections()
    connections.watch_servers()
    assert run(answer(connections, PEER))


def test_looks_that_take_long_are_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """With thousands of connections and steady cancels, looking takes a twentieth of the loop."""
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
    """This uses gRPC's private parts: if it fails, they have changed; see `transport.core`.

    More connections than fit one page, which come and go.
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
    for each in opened:
        each.close()
    await eventually(set())
    servers = server_ids()
    await server.stop(None)
    assert set() == wanted & set().union(*connected_peers(servers))  # it has ended
