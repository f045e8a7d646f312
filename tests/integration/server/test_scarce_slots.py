"""Slots are shared: clients that use all of them do not lock others out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from hashfinder.kernel import load_kernel
from hashfinder_proto.hash_name_pb2 import HashNameRequest, SearchProgress
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.server.conftest import StartApplication

if TYPE_CHECKING:
    from hashfinder_proto.hash_name_pb2_grpc import HashFinderAsyncStub

HOPELESS = HashNameRequest(desired_name="hopelessly")
DENSE = HashNameRequest(desired_name="abzzzzzzzz", interesting_hamming_distance=9)
CHEAP = HashNameRequest(desired_name="do")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def coming_from(source: str, server: str) -> AsyncIterator["HashFinderAsyncStub"]:
    """Yield a stub whose connection reaches the server from the address `source`."""
    host, _, port = server.rpartition(":")
    tasks: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(
            host, int(port), local_addr=(source, 0)
        )
        for pair in ((reader, far_writer), (far_reader, writer)):
            tasks.add(asyncio.create_task(_pump(*pair)))

    listener = await asyncio.start_server(relay, "127.0.0.1", 0)
    near = listener.sockets[0].getsockname()[1]
    options = [("grpc.use_local_subchannel_pool", 1)]
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{near}", options=options) as channel:
            yield HashFinderStub(channel)
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("waiting", [0, 8])
async def test_newcomer_searches_though_two_addresses_hold_every_slot(
    application: StartApplication, waiting: int
) -> None:
    """One long search is stopped: its client learns when to retry, and from where."""
    running = await application(
        load_kernel("auto"),
        maximum_searches=8,
        maximum_searches_per_client=4,
        maximum_waiting=waiting,
        wait_seconds=2,
    )
    async with AsyncExitStack() as stack:
        calls = []
        for source in ("127.0.0.2", "127.0.0.3"):
            stub = await stack.enter_async_context(coming_from(source, running.application.address))
            calls += [stub.Find(HOPELESS) for _ in range(4)]
        await running.active(8)
        newcomer = await stack.enter_async_context(
            coming_from("127.0.0.4", running.application.address)
        )
        await newcomer.Find(CHEAP, timeout=20)
        done, others = await asyncio.wait(
            [asyncio.ensure_future(call.code()) for call in calls],
            timeout=20,
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert [grpc.StatusCode.RESOURCE_EXHAUSTED] == [task.result() for task in done]
        assert 7 == len(others)
        [ended] = [call for call in calls if call.done()]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ended
        status = rpc_status.from_call(cast("grpc.Call", caught.value))
        assert status is not None
        info, retry, progress = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.RetryInfo(),
            SearchProgress(),
        )
        for message in (info, retry, progress):
            assert any(each.Unpack(message) for each in status.details), status.details
        assert "SERVER_OVERLOADED" == info.reason
        assert retry.retry_delay.ToMilliseconds() >= 500
        assert progress.next_position > 0
        for call in calls:
            call.cancel()
        for task in others:
            await task


async def test_clients_that_do_not_read_keep_no_slot_from_others(
    application: StartApplication,
) -> None:
    """Parked streams end like any other search whose slot is needed."""
    running = await application(
        load_kernel("auto"), maximum_searches=4, maximum_searches_per_client=4
    )
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(
            coming_from("127.0.0.2", running.application.address)
        )
        calls = [stub.FindRange(DENSE) for _ in range(4)]
        await running.eventually(
            lambda samples: samples.value("hashfinder_searches_parked") == 4, "all parked"
        )
        newcomer = await stack.enter_async_context(
            coming_from("127.0.0.3", running.application.address)
        )
        await newcomer.Find(CHEAP, timeout=20)
        for call in calls:
            call.cancel()
