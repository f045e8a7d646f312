"""A health checker in its own process: `python -m tests.bench.health_probe ADDRESS`.

It asks at a fixed rate, whether or not earlier checks were answered: a slow server is not asked
less often. Each answer is a line of JSON with the time of the check and the seconds it took.
It ends when its stdin does.
"""

import asyncio
import json
import sys
import time
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

PERIOD_SECONDS = 0.025
TIMEOUT_SECONDS = 3.0
"""What no answer counts as."""


async def ask(stub: Any) -> None:  # noqa: ANN401  # the package has no types
    """Check once, and print how long it took."""
    began = time.monotonic()
    try:
        await stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)
        seconds = time.monotonic() - began
    except grpc.aio.AioRpcError:
        seconds = TIMEOUT_SECONDS
    print(json.dumps((began, seconds)), flush=True)


async def main() -> None:
    """Check until stdin ends."""
    loop = asyncio.get_running_loop()
    over = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
    async with grpc.aio.insecure_channel(sys.argv[1]) as channel:
        await channel.channel_ready()
        stub: Any = health_pb2_grpc.HealthStub(channel)
        questions: set[asyncio.Task[None]] = set()
        due = loop.time()
        while not over.done():
            question = asyncio.create_task(ask(stub))
            questions.add(question)
            question.add_done_callback(questions.discard)
            due += PERIOD_SECONDS
            await asyncio.sleep(max(0.0, due - loop.time()))
        await asyncio.gather(*questions)


if __name__ == "__main__":
    asyncio.run(main())
