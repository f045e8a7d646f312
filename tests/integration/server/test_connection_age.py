"""Connections age, so that new servers get work; running searches are not interrupted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import cycle
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hashfinder.kernel import load_kernel
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.server.conftest import RunningApplication, StartApplication

HEALTH = "grpc.health.v1.Health"
SECONDS = 40.0
SEARCHES: dict[str, Any] = {
    "kernel": load_kernel("python"),  # searches that take a while
    "workers": 1,
    "connection_age_seconds": 1,
}


class Balancer:
    """Forwards each new connection to the next server, and never looks inside, like kube-proxy."""

    def __init__(self, servers: list[str]) -> None:
        """Store the servers, as HOST:PORT."""
        self.accepted = 0
        self.open = 0
        self.idle = asyncio.Event()
        """Set while no connection is open."""
        self._servers = cycle(servers)

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until it closes."""
        self.accepted += 1
        self.open += 1
        self.idle.clear()
        host, _, port = next(self._servers).rpartition(":")
        server_reader, server_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))
        self.open -= 1
        if not self.open:
            self.idle.set()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def balanced(*servers: RunningApplication) -> AsyncIterator[tuple[Balancer, str]]:
    """Run a balancer in front of some servers; yield it and its address."""
    balancer = Balancer([each.application.address for each in servers])
    async with await asyncio.start_server(balancer.relay, "127.0.0.1", 0) as listener:
        host, port = listener.sockets[0].getsockname()
        yield balancer, f"{host}:{port}"
        async with asyncio.timeout(SECONDS):
            await balancer.idle.wait()


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """Yield a channel that repeats calls which no server has seen, as every gRPC client does."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield channel


async def is_serving(channel: grpc.aio.Channel) -> None:
    """Make one short RPC, which must succeed."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)
    assert health_pb2.HealthCheckResponse.SERVING == answer.status


async def keep_calling(channel: grpc.aio.Channel, until: Callable[[], bool]) -> None:
    """Make short RPCs one after another until a condition holds."""
    async with asyncio.timeout(SECONDS):
        while not until():
            await is_serving(channel)
            await asyncio.sleep(0.01)


async def position(search: Any, beyond: int = -1) -> int:  # noqa: ANN401  # a call whose class is not generic
    """Return the position in the next message that lies beyond the position `beyond`."""
    while True:
        message = await search.read()
        assert isinstance(message, HashNameResponse)
        if message.progress.next_position > beyond:
            return message.progress.next_position


def handled(server: RunningApplication) -> float:
    """Return how many short RPCs a server has answered."""
    return server.samples().value("grpc_server_handled_total", grpc_service=HEALTH)


async def test_new_rpcs_move_while_the_search_stays(application: StartApplication) -> None:
    """Behind an L4 balancer new RPCs reach another server; the old connection serves its search."""
    first, second = [await application(**SEARCHES) for _ in range(2)]
    async with balanced(first, second) as (balancer, address), connected(address) as channel:
        request = HashNameRequest(desired_name="hopelessly")
        request.progress_interval.FromMilliseconds(100)
        search = HashFinderStub(channel).FindRange(request)
        await first.active(1)
        # After several connection ages: the search's connection should have closed long ago.
        await keep_calling(channel, lambda: balancer.accepted >= 4)
        assert handled(second) > 0

        at = await position(search)
        for _ in range(3):
            at = await position(search, beyond=at)
        await first.active(1)

        search.cancel()
        await first.eventually(
            lambda samples: samples.value("hashfinder_cancellations_total") == 1,
            "the search has ended, and only now",
        )


async def test_connection_closes_with_its_last_search(application: StartApplication) -> None:
    """An old connection is not kept open for possible later RPCs."""
    server = await application(**SEARCHES)
    async with balanced(server) as (balancer, address), connected(address) as channel:
        request = HashNameRequest(desired_name="hopelessly", interesting_hamming_distance=1)
        search = HashFinderStub(channel).FindRange(request)
        await server.active(1)
        await keep_calling(channel, lambda: balancer.accepted >= 2)
        search.cancel()
        # Without RPCs, every connection ages and none replaces it.
        async with asyncio.timeout(SECONDS):
            await balancer.idle.wait()


async def test_no_rpc_is_lost_when_connections_age(application: StartApplication) -> None:
    """RPCs sent while a connection closes are served, by the old or the new one."""
    server = await application(connection_age_seconds=1)
    async with balanced(server) as (balancer, address), AsyncExitStack() as channels:
        opened = [await channels.enter_async_context(connected(address)) for _ in range(4)]
        await asyncio.gather(
            *(keep_calling(each, lambda: balancer.accepted >= 12) for each in opened)
        )


async def test_connections_do_not_age_by_themselves(application: StartApplication) -> None:
    """Without the setting a client keeps its connection."""
    server = await application()
    async with balanced(server) as (balancer, address), connected(address) as channel:
        for _ in range(20):
            await is_serving(channel)
            await asyncio.sleep(0.1)
        assert (1, 1) == (balancer.accepted, balancer.open)


async def test_old_connection_ends_after_the_longest_search(
    application: StartApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search reaches its own time limit first; a health watch, which has none, is cut off."""
    monkeypatch.setattr("hashfinder.app._ANSWER_SECONDS", 4.0)
    server = await application(**SEARCHES, maximum_seconds=4, wait_seconds=0.0)
    async with balanced(server) as (balancer, address), connected(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert health_pb2.HealthCheckResponse.SERVING == (await watch.read()).status
        search = HashFinderStub(channel).Find(HashNameRequest(desired_name="hopelessly"))
        await keep_calling(channel, lambda: balancer.accepted >= 2)

        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await search
        assert grpc.StatusCode.RESOURCE_EXHAUSTED is ended.value.code()
        with pytest.raises(grpc.aio.AioRpcError) as cut:
            async with asyncio.timeout(SECONDS):
                await watch.read()
        assert grpc.StatusCode.UNAVAILABLE is cut.value.code()


async def test_largest_age_is_accepted(application: StartApplication) -> None:
    """GRPC's own timers are limited to 24 days; a longer age still works."""
    most = {"maximum_seconds": 31_536_000, "connection_age_seconds": 86_400}
    server = await application(**most)
    async with connected(server.application.address) as channel:
        await is_serving(channel)
