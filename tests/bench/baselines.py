"""The two usual designs, with the same engine, kernel, chunks and messages as HashFinder.

They differ in which thread runs a chunk, when, and how a cancel reaches it.
"""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from hashfinder.kernel import Kernel
from hashfinder.scheduling.pace import Pace
from hashfinder.search.engine import Bounds, Search
from hashfinder.transport.mapping import progress_message, result_message
from hashfinder.transport.validation import parse_request, progress_interval
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse
from hashfinder_proto.hash_name_pb2_grpc import (
    HashFinderServicer,
    add_HashFinderServicer_to_server,
)
from hashfinder_rules.candidate import Candidate
from tests.bench.recorder import SearchRecorder

MAXIMUM_HASHES = 2**63
CHUNK_SECONDS = 0.002
"""Short, because a stopped search keeps running for up to this long in these designs."""
FIRST_RATE = 50e6
OPTIONS = (
    ("grpc.so_reuseport", 0),
    # The limits of gRPC itself are not what is compared.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 20_000),
    ("grpc.server_max_unrequested_time_in_server", 3600),
)
THREADS = 4096
"""The largest number of concurrent RPCs where each has its own thread."""

_Context: TypeAlias = "grpc.aio.ServicerContext[HashNameRequest, HashNameResponse]"


class ChunkedSearch:
    """One request, searched by its caller in chunks of about a millisecond."""

    def __init__(self, kernel: Kernel, request: HashNameRequest) -> None:
        """Start at the request's first position."""
        wanted = parse_request(request, MAXIMUM_HASHES)
        self._search = Search(
            wanted.query,
            wanted.start,
            wanted.maximum_hashes,
            bounds=Bounds(chunks=1),
            now=time.monotonic(),
        )
        self._scanner = kernel.prepare(wanted.query)
        self._pace = Pace()
        self._interval = progress_interval(request)
        self._due = time.monotonic() + (self._interval or 0.0)

    @property
    def ended(self) -> bool:
        """Whether no position is left to scan."""
        return self._search.ended

    def scan_chunk(self) -> None:
        """Scan the next chunk."""
        search = self._search
        chunk = search.claim(self._pace.chunk_size(CHUNK_SECONDS, FIRST_RATE))
        began = time.thread_time()
        scan = self._scanner.scan(
            chunk.start,
            chunk.stop,
            chunk.best_distance,
            search.bounds.hits_per_chunk,
        )
        self._pace.measured(scan.stop - chunk.start, time.thread_time() - began)
        search.give_back(chunk, scan)

    def messages(self) -> Iterator[HashNameResponse]:
        """Yield the messages to send to the client now."""
        for position in self._search.take_results():
            yield result_message(Candidate.at(position, self._search.query))
        now = time.monotonic()
        if self._interval and now >= self._due:
            self._due = now + self._interval
            yield progress_message(self._search.progress(now))


class ThreadPerRpc(HashFinderServicer):
    """One thread for each RPC; a cancel sets an event, as in gRPC's public example."""

    def __init__(self, kernel: Kernel, recorder: SearchRecorder) -> None:
        """Store the kernel, and the recorder that notes every scan."""
        self._kernel = kernel
        self._recorder = recorder

    def FindRange(
        self, request: HashNameRequest, context: grpc.ServicerContext
    ) -> Iterator[HashNameResponse]:
        """Stream results and progress as the contract says."""
        stop = threading.Event()
        context.add_callback(stop.set)
        search = ChunkedSearch(self._kernel, request)
        with self._recorder.handling(request.desired_name):
            while not search.ended and not stop.is_set():
                search.scan_chunk()
                yield from search.messages()


class ToThread(HashFinderServicer):
    """One task for each RPC, which awaits `asyncio.to_thread` for each chunk.

    The better variant: a cancel reaches the task between two chunks, without an event to check.
    With one `to_thread` around the whole search, only as many searches would run as the default
    executor has threads; all others would wait.
    """

    def __init__(self, kernel: Kernel, recorder: SearchRecorder) -> None:
        """Store the kernel, and the recorder that notes every scan."""
        self._kernel = kernel
        self._recorder = recorder

    async def FindRange(  # type: ignore[override]  # the stubs know async generators only
        self, request: HashNameRequest, context: _Context
    ) -> None:
        """Stream results and progress as the contract says."""
        search = ChunkedSearch(self._kernel, request)
        with self._recorder.handling(request.desired_name):
            while not search.ended:
                await asyncio.to_thread(search.scan_chunk)
                for message in search.messages():
                    await context.write(message)


def start_thread_per_rpc(kernel: Kernel, recorder: SearchRecorder) -> tuple[grpc.Server, str]:
    """Start the first baseline; return it with its address."""
    server = grpc.server(ThreadPoolExecutor(THREADS), options=OPTIONS)
    servicer = ThreadPerRpc(kernel, recorder)  # type: ignore[abstract]  # Find is not compared
    add_HashFinderServicer_to_server(servicer, server)
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    return server, address


async def start_to_thread(kernel: Kernel, recorder: SearchRecorder) -> tuple[grpc.aio.Server, str]:
    """Start the second baseline; return it with its address."""
    server = grpc.aio.server(options=OPTIONS)
    servicer = ToThread(kernel, recorder)  # type: ignore[abstract]  # Find is not compared
    add_HashFinderServicer_to_server(servicer, server)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    return server, address
