"""A grpc.aio server whose `Find` does nothing: `python -m tests.bench.empty_server`.

It measures what gRPC for Python itself costs. It prints its address and ends when stdin does.
"""

import asyncio
import sys

import grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse
from hashfinder_proto.hash_name_pb2_grpc import HashFinderServicer, add_HashFinderServicer_to_server


class Empty(HashFinderServicer):
    """Answers every request with an empty message."""

    async def Find(self, request: HashNameRequest, context: object) -> HashNameResponse:
        """Return an empty message."""
        del request, context
        return HashNameResponse()


async def main() -> None:
    """Serve until stdin ends."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_HashFinderServicer_to_server(Empty(), server)  # type: ignore[abstract]  # Find is measured
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)  # the protocol
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(main())
