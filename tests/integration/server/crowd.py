"""Many RPCs of one client, in a separate process: ADDRESS KIND NUMBER.

Prints a line when all of them are running, and runs until it is killed.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import Any, cast

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub

DENSE = HashNameRequest(desired_name="abzzzzzzzz", interesting_hamming_distance=9)
"""Every candidate is a result."""


@contextmanager
def crowd(address: str, kind: str, number: int) -> Iterator[None]:
    """Keep `number` RPCs running; `kind` is a name in `KINDS`."""
    command = [sys.executable, "-m", __name__, address, kind, str(number)]
    with Popen(command, stdout=PIPE, text=True) as process:  # our own
        try:
            assert process.stdout is not None
            assert "ready\n" == process.stdout.readline()
            yield
        finally:
            process.kill()


async def _dense(channel: grpc.aio.Channel, under_way: Callable[[], None]) -> None:
    call = HashFinderStub(channel).FindRange(DENSE)
    await call.read()
    under_way()
    while True:
        await call.read()


async def _check(channel: grpc.aio.Channel, under_way: Callable[[], None]) -> None:
    stub: Any = HealthStub(channel)
    await stub.Check(HealthCheckRequest())
    under_way()
    while True:
        await stub.Check(HealthCheckRequest())


async def _reflection(channel: grpc.aio.Channel, under_way: Callable[[], None]) -> None:
    stub: Any = cast("Any", ServerReflectionStub)(channel)
    call = stub.ServerReflectionInfo()
    while True:
        await call.write(ServerReflectionRequest(list_services=""))
        await call.read()
        under_way()


async def _watch(channel: grpc.aio.Channel, under_way: Callable[[], None]) -> None:
    stub: Any = HealthStub(channel)
    while True:
        call = stub.Watch(HealthCheckRequest())
        await call.read()
        under_way()
        call.cancel()


async def _mixed(channel: grpc.aio.Channel, under_way: Callable[[], None]) -> None:
    async with asyncio.TaskGroup() as group:
        for flood in (_check, _watch, _reflection):
            group.create_task(flood(channel, under_way))


KINDS: dict[str, Callable[[grpc.aio.Channel, Callable[[], None]], Coroutine[Any, Any, None]]] = {
    "dense": _dense,
    "check": _check,
    "reflection": _reflection,
    "watch": _watch,
    "mixed": _mixed,
}


async def main(address: str, kind: str, number: int) -> None:
    """Run the RPCs on one connection."""
    async with grpc.aio.insecure_channel(address) as channel:
        begun = [asyncio.Event() for _ in range(number)]
        async with asyncio.TaskGroup() as group:
            for event in begun:
                group.create_task(KINDS[kind](channel, event.set))
            for event in begun:
                await event.wait()
            print("ready", flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
