"""The two usual designs, with the same engine, kernel, chunks and messages as HashFinder itself.

They differ from it in who runs a chunk when, and in how a cancel gets there: what is compared.
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
from tests.bench.ledger import Ledger

MAXIMUM_HASHES = 2**63
CHUNK_SECONDS = 0.002
"""Short: it is how long a stopped search keeps running, in these designs."""
FIRST_RATE = 50e6
OPTIONS = (
    ("grpc.so_reuseport", 0),
    # What gRPC would drop by itself is not the matter here.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 20_000),
    ("grpc.server_max_unrequested_time_in_server", 3600),
)
THREADS = 4096
"""The largest number of RPCs at once where each has a thread."""

_Context: TypeAlias = "grpc.aio.ServicerContext[HashNameRequest, HashNameResponse]"


class ChunkedSearch:
    """One request, searched chunk by chunk of about a millisecond by the caller."""

    def __init__(self, kernel: Kernel, request: HashNameRequest) -> None:
        """Begin at the request's start."""
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
        """Whether there is nothing more to scan."""
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

    def __init__(self, kernel: Kernel, ledger: Ledger) -> None:
        """Take what scans, and who keeps account."""
        self._kernel = kernel
        self._ledger = ledger

    def FindRange(
        self, request: HashNameRequest, context: grpc.ServicerContext
    ) -> Iterator[HashNameResponse]:
        """Stream as the contract says."""
        stop = threading.Event()
        context.add_callback(stop.set)
        search = ChunkedSearch(self._kernel, request)
        with self._ledger.handling(request.desired_name):
            while not search.ended and not stop.is_set():
                search.scan_chunk()
                yield from search.messages()


class ToThread(HashFinderServicer):
    """One task for each RPC, which awaits `asyncio.to_thread` for each chunk.

    The better one of its kind: a cancel reaches the task between two chunks, with no event to
    forget. One `to_thread` around the whole search would run as many searches as the default
    executor has threads, and let all others wait.
    """

    def __init__(self, kernel: Kernel, ledger: Ledger) -> None:
        """Take what scans, and who keeps account."""
        self._kernel = kernel
        self._ledger = ledger

    async def FindRange(  # type: ignore[override]  # the stubs know async generators only
        self, request: HashNameRequest, context: _Context
    ) -> None:
        """Stream as the contract says."""
        search = ChunkedSearch(self._kernel, request)
        with self._ledger.handling(request.desired_name):
            while not search.ended:
                await asyncio.to_thread(search.scan_chunk)
                for message in search.messages():
                    await context.write(message)


def start_thread_per_rpc(kernel: Kernel, ledger: Ledger) -> tuple[grpc.Server, str]:
    """Start the first baseline; return it with its address."""
    server = grpc.server(ThreadPoolExecutor(THREADS), options=OPTIONS)
    servicer = ThreadPerRpc(kernel, ledger)  # type: ignore[abstract]  # Find is not compared
    add_HashFinderServicer_to_server(servicer, server)
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    return server, address


async def start_to_thread(kernel: Kernel, ledger: Ledger) -> tuple[grpc.aio.Server, str]:
    """Start the second baseline; return it with its address."""
    server = grpc.aio.server(options=OPTIONS)
    servicer = ToThread(kernel, ledger)  # type: ignore[abstract]  # Find is not compared
    add_HashFinderServicer_to_server(servicer, server)
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    return server, address
