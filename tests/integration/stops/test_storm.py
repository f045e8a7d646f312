"""A storm of cancels: the server keeps answering, counts each cancel, and leaks nothing."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.server_process import ServerProcess

SEARCHES = 1000
HOPELESS = HashNameRequest(desired_name="hopelessly")
CONNECTION_OF_ITS_OWN = [("grpc.use_local_subchannel_pool", 1)]


@pytest.mark.timeout(150)
async def test_health_is_answered_while_a_thousand_searches_are_cancelled(
    server_process: Callable[..., ServerProcess],
) -> None:
    """Each search is freed and counted once, and the next search succeeds."""
    limit = SEARCHES + 1
    server = server_process(f"--maximum-searches={limit}", f"--maximum-searches-per-client={limit}")
    async with (
        grpc.aio.insecure_channel(server.address, options=CONNECTION_OF_ITS_OWN) as channel,
        grpc.aio.insecure_channel(server.address, options=CONNECTION_OF_ITS_OWN) as other,
    ):
        stub: Any = HashFinderStub(channel)
        health: Any = health_pb2_grpc.HealthStub(other)
        calls = [method(HOPELESS) for method in (stub.Find, stub.FindRange) * (SEARCHES // 2)]
        await asyncio.to_thread(server.wait_for_searches, SEARCHES, 60)

        idle = asyncio.create_task(asyncio.to_thread(server.wait_until_idle, 60))
        for call in calls:
            call.cancel()
        answers: list[int] = []
        while not (idle.done() and answers):
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=30)
            answers.append(answer.status)
        await idle
        found = await stub.Find(HashNameRequest(desired_name="a"))

    assert {health_pb2.HealthCheckResponse.SERVING} == set(answers)
    assert found.hashed_name
    assert SEARCHES == server.metric("hashfinder_cancellations_total", cause="client_cancel")
    assert SEARCHES == server.metric("hashfinder_cancellations_total")
    assert SEARCHES == server.metric("hashfinder_cancel_latency_seconds_count")
