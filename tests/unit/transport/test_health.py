"""The number of `Watch` RPCs is limited, in total and for each client."""

import asyncio
from typing import Any, NoReturn

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest

from hashfinder.transport.health import Health


class RefusedError(Exception):
    """Raised by `abort` in these tests, with the status and its text."""


class FakeContext:
    """The client's side of a `Watch`."""

    def __init__(self, client: str) -> None:
        """Connect as `client`."""
        self._client = client
        self.written = asyncio.Event()

    def peer(self) -> str:
        """Return the client's name."""
        return self._client

    async def write(self, _message: object) -> None:
        """Record that a status was sent."""
        self.written.set()

    async def abort(self, code: grpc.StatusCode, text: str) -> NoReturn:
        """End the RPC."""
        raise RefusedError(code, text)


async def watch(health: Health, client: str) -> asyncio.Task[None]:
    """Return a watcher that has its first status; raise if it is refused."""
    context: Any = FakeContext(client)
    task = asyncio.create_task(health.Watch(HealthCheckRequest(), context))
    first = asyncio.create_task(context.written.wait())
    await asyncio.wait({task, first}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        first.cancel()
        await task
    return task


async def end(*watchers: asyncio.Task[None]) -> None:
    """Cancel watchers, as gRPC does when their clients disconnect."""
    for each in watchers:
        each.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)


def health_of(most_watchers: int, most_watchers_per_client: int) -> Health:
    """Return the servicer with small limits; each peer is a client."""
    return Health(lambda peer: peer, most_watchers, most_watchers_per_client)


async def test_client_with_all_its_watchers_is_refused_and_others_are_served() -> None:
    """One client's limit leaves room for others; it is free again when a watcher ends."""
    health = health_of(most_watchers=10, most_watchers_per_client=2)
    first, second = await watch(health, "one"), await watch(health, "one")

    with pytest.raises(RefusedError) as refused:
        await end(await watch(health, "one"))
    other = await watch(health, "other")
    await end(first)
    again = await watch(health, "one")

    text = "the client has 2 health watchers, the most that one client may have"
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, text) == refused.value.args
    await end(second, other, again)


async def test_watcher_is_refused_when_the_server_has_all_it_accepts() -> None:
    """The server's limit counts all clients; it is free again when a watcher ends."""
    health = health_of(most_watchers=2, most_watchers_per_client=2)
    first, second = await watch(health, "one"), await watch(health, "other")

    with pytest.raises(RefusedError) as refused:
        await end(await watch(health, "third"))
    await end(first)
    again = await watch(health, "third")

    text = "the server has 2 health watchers, the most it accepts"
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, text) == refused.value.args
    await end(second, again)
