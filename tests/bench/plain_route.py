"""A hop as it is usually written: Starlette routes that await an RPC. Run by `bench_hops`.

The code is ordinary, yet the unary route leaks: nothing checks whether the client is still there.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import uvicorn
from google.protobuf.json_format import MessageToJson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub


def application(server: str) -> Starlette:
    """Return the routes in front of the server at the address `server`."""
    stubs: list[HashFinderStub] = []

    @asynccontextmanager
    async def connected(_: Starlette) -> AsyncIterator[None]:
        async with grpc.aio.insecure_channel(server) as channel:
            stubs.append(HashFinderStub(channel))
            yield

    async def find(request: Request) -> Response:
        message = HashNameRequest(desired_name=request.path_params["name"])
        answer = await stubs[0].Find(message)  # type: ignore[misc]  # the stub is an aio one
        return Response(MessageToJson(answer), media_type="application/json")

    async def find_range(request: Request) -> Response:
        message = HashNameRequest(desired_name=request.path_params["name"])
        message.progress_interval.FromMilliseconds(100)

        async def lines() -> AsyncIterator[str]:
            async for each in stubs[0].FindRange(message):  # type: ignore[attr-defined]
                yield MessageToJson(each, indent=None) + "\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    return Starlette(
        routes=[Route("/unary/{name}", find), Route("/stream/{name}", find_range)],
        lifespan=connected,
    )


if __name__ == "__main__":
    listener = int(sys.argv[2])
    uvicorn.run(application(sys.argv[1]), fd=listener, log_level="critical")
    os._exit(0)
