"""A burst far beyond all limits: the server answers each call itself, and stays responsive."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import cycle
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.server.endings import Ending, finish
from tests.integration.server_process import SERVICE, ServerProcess, eventually
from tests.integration.stops.conftest import StartClient

CALLS = 5000
CHANNELS = 4
SLOTS = 4
LIMITS = {
    "--maximum-searches": SLOTS,
    "--maximum-searches-per-client": 20,
    "--maximum-waiting": 50,
    "--wait-seconds": 0.5,
    "--client-identity": "connection",
}
REQUEST = HashNameRequest(desired_name="hopelessly", maximum_hashes=10_000_000)


@pytest.mark.timeout(150)
async def test_every_call_of_a_burst_is_answered_by_the_server(
    server_process: Callable[..., ServerProcess], client_process: StartClient
) -> None:
    """5,000 calls to a full server get 5,000 responses with our reasons; gRPC drops none.

    Some get a slot of the client that holds all of them and does not read. Which refusals occur,
    and how many, depends on how fast the calls arrive.
    """
    server = server_process(*[str(word) for flag in LIMITS.items() for word in flag])
    client_process(server, "FindRange", SLOTS, interesting=10)  # never reads: no CPU, but the slots
    server.wait_for_parked(SLOTS)
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(
                grpc.aio.insecure_channel(
                    server.address, options=[("grpc.use_local_subchannel_pool", 1)]
                )
            )
            for _ in range(CHANNELS)
        ]
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        stubs = [HashFinderStub(channel) for channel in channels]
        starts = [start for stub in stubs for start in (stub.Find, stub.FindRange)]
        calls = [start(REQUEST) for start, _ in zip(cycle(starts), range(CALLS), strict=False)]
        health: Any = health_pb2_grpc.HealthStub(channels[0])
        check = health.Check(health_pb2.HealthCheckRequest())
        endings = await asyncio.gather(*(finish(call) for call in calls))
        assert health_pb2.HealthCheckResponse.SERVING == (await check).status

    reasons = Counter(_reason(ending) for ending in endings)
    refusals = {"TOO_MANY_SEARCHES", "SERVER_OVERLOADED"}
    assert set(reasons) <= {*refusals, "HASH_BUDGET_EXHAUSTED"}, reasons
    assert any(reasons[refusal] for refusal in refusals), reasons
    eventually(  # an RPC is counted a little after its end
        lambda: server.metric("grpc_server_handled_total", grpc_service=SERVICE) >= CALLS,
        "every call is counted",
        30,
    )
    assert all(ending.code is grpc.StatusCode.RESOURCE_EXHAUSTED for ending in endings)
    assert all(ending.retry_seconds > 0 for ending in endings if _reason(ending) in refusals)
    counted = {
        cause: server.metric("hashfinder_cancellations_total", cause=cause)
        for cause in ("quota", "overload", "budget", "client_cancel", "disconnect", "deadline")
    }
    evicted = counted.pop("overload") - reasons["SERVER_OVERLOADED"]
    assert 0 <= evicted <= SLOTS
    assert {
        "quota": reasons["TOO_MANY_SEARCHES"],
        "budget": reasons["HASH_BUDGET_EXHAUSTED"],
        "client_cancel": 0,
        "disconnect": 0,
        "deadline": 0,
    } == counted


def _reason(ending: Ending) -> str:
    """Return our reason; for a call that gRPC answered itself, its code and text."""
    if "ErrorInfo" not in ending.details:
        return f"{ending.code.name}: {ending.text}"
    return ending.reason
