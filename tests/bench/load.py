"""The clients of a bench, all on this process's event loop, and the processes that they talk to."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.duration_pb2 import Duration

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub

if TYPE_CHECKING:
    from hashfinder_proto.hash_name_pb2_grpc import HashFinderAsyncStub  # exists for types alone

_LINE_BYTES = 2**24
_ANSWER_SECONDS = 30.0
_END_SECONDS = 3.0
_POLL_SECONDS = 0.1


class DesignProcess:
    """A `design_server` process."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        """Store the process and the address that it serves on."""
        self.address = address
        self._process = process

    async def counts(self) -> dict[str, Any]:
        """Return how many searches have begun and ended; cheap for the server."""
        return await self._ask("counts")

    async def snapshot(self) -> dict[str, Any]:
        """Return the server's records; see `SearchRecorder.snapshot`."""
        return await self._ask("snapshot")

    async def _ask(self, question: str) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{question}\n".encode())
        async with asyncio.timeout(_ANSWER_SECONDS):
            line = await self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line)
        return answer


async def until(
    ask: Callable[[], Awaitable[dict[str, Any]]],
    condition: Callable[[dict[str, Any]], bool],
    seconds: float,
) -> dict[str, Any]:
    """Ask until an answer meets the condition or `seconds` are over; return the last one."""
    deadline = time.monotonic() + seconds
    while not condition(answer := await ask()) and time.monotonic() < deadline:  # noqa: ASYNC110  # another process
        await asyncio.sleep(_POLL_SECONDS)
    return answer


@asynccontextmanager
async def serving(design: str, *flags: str) -> AsyncIterator[DesignProcess]:
    """Run a server of a design; kill it afterwards, whatever its state."""
    async with _running("design_server", design, *flags) as process:
        assert process.stdout
        address = (await process.stdout.readline()).decode().strip()
        yield DesignProcess(process, address)


@asynccontextmanager
async def health_probed(address: str) -> AsyncIterator[list[tuple[float, float]]]:
    """Check the health while the context is open; the list fills with (time, seconds) pairs."""
    answers: list[tuple[float, float]] = []
    async with _running("health_probe", address) as process:
        assert process.stdin
        assert process.stdout
        output = process.stdout

        async def read() -> None:
            async for line in output:
                began, seconds = json.loads(line)
                answers.append((began, seconds))

        reading = asyncio.create_task(read())
        yield answers
        process.stdin.close()
        await reading  # until the last check is answered


@asynccontextmanager
async def _running(module: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"tests.bench.{module}",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_LINE_BYTES,
    )
    assert process.stdin
    try:
        yield process
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@dataclass
class OpenSearch:
    """A running search, as its client sees it."""

    name: str
    client: int
    call: "grpc.aio.UnaryStreamCall[Any, Any]"
    heard: list[tuple[float, int]] = field(default_factory=list)
    """When each progress message arrived, and the hashes that it reported."""
    reading: "asyncio.Task[None] | None" = None
    cancelled_at: float | None = None

    def cancel(self) -> None:
        """Cancel and note the time; only the first call counts."""
        if self.cancelled_at is None:
            self.cancelled_at = time.monotonic()
            self.call.cancel()

    def hashes_between(self, begin: float, end: float) -> int:
        """Return how many hashes were reported between two moments."""
        told = [hashes for at, hashes in self.heard if begin <= at <= end]
        return told[-1] - told[0] if told else 0


class Clients:
    """Clients with a connection each, whose searches find nothing."""

    _numbers = count()

    def __init__(self, address: str, counts: list[int]) -> None:
        """Create clients with these numbers of searches."""
        self._counts = counts
        self._channels = [
            grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
            for _ in counts
        ]
        self._stubs: list[HashFinderAsyncStub] = [HashFinderStub(c) for c in self._channels]
        self.searches: list[list[OpenSearch]] = [[] for _ in self._channels]

    async def connect(self) -> None:
        """Return when all are connected."""
        await asyncio.gather(*(channel.channel_ready() for channel in self._channels))

    def open_all(self, progress_seconds: float | None = None) -> None:
        """Start all searches at once."""
        for client, searches in enumerate(self._counts):
            for _ in range(searches):
                self.open(client, progress_seconds)

    @property
    def all(self) -> list[OpenSearch]:
        """The searches of all clients."""
        return [search for searches in self.searches for search in searches]

    def open(self, client: int, progress_seconds: float | None = None) -> OpenSearch:
        """Start a search; its stream is read in the background."""
        name = f"hopeless{next(self._numbers):06d}"  # unique, and a match only once in 36^14 hashes
        request = HashNameRequest(desired_name=name)
        if progress_seconds is not None:
            request.progress_interval.CopyFrom(Duration(nanos=int(progress_seconds % 1 * 1e9)))
            request.progress_interval.seconds = int(progress_seconds)
        search = OpenSearch(name, client, self._stubs[client].FindRange(request))
        search.reading = asyncio.create_task(_read(search))
        self.searches[client].append(search)
        return search

    def replace_oldest(self, client: int, progress_seconds: float) -> OpenSearch:
        """Cancel the oldest search of a client, start another, and return the cancelled one."""
        oldest = self.searches[client].pop(0)
        oldest.cancel()
        self.open(client, progress_seconds)
        return oldest

    def cancel_all(self) -> list[OpenSearch]:
        """Cancel all running searches, and return them."""
        cancelled = self.all
        for search in cancelled:
            search.cancel()
        return cancelled

    async def close(self) -> None:
        """Cancel the remaining searches, and disconnect."""
        self.cancel_all()
        await asyncio.gather(*(search.reading for search in self.all if search.reading))
        await asyncio.gather(*(channel.close() for channel in self._channels))


async def _read(search: OpenSearch) -> None:
    try:
        async for message in search.call:
            search.heard.append((time.monotonic(), message.progress.hashes_computed))
    except asyncio.CancelledError:
        if search.cancelled_at is None:
            raise
