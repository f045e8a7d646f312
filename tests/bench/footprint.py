"""A server's resources: memory per search and connection, start, drain, CPU of an idle server."""

import asyncio
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.bench.machine import cpu_seconds
from tests.bench.recorder import resident_bytes
from tests.bench.report import Better, Report
from tests.http2 import Connection
from tests.integration.server_process import ServerProcess, run_server

IMAGE = "hashfinder:dev"
BUDGETS = {
    "memory after the start": 80.0,
    "memory for a running search": 64.0,
    "memory for an open connection": 32.0,
    "CPU time from the command to `serving`": 0.7,
    "CPU time of an idle server above that of bare asyncio, a second": 5.0,
    "wake-ups of a server that nobody calls": 50.0,
}
"""In the units of the rows; docs/operations.md promises these budgets."""
_HOPELESS = HashNameRequest(desired_name="hopelesshopeless")
_CHANNELS = 16
_TURNS_SECONDS = 3.0
"""After which each of the searches has been scanned, and has what it is scanned with."""
_BARE_ASYNCIO = """
import asyncio
async def main():
    print(flush=True)
    while True:
        await asyncio.sleep(1)
asyncio.run(main())
"""
"""What a process costs that does nothing: some virtual machines charge it for more than it does."""


@dataclass(frozen=True)
class Sizes:
    """How many servers are started and filled, with what, and for how long each is left alone."""

    starts: int
    searches: int
    connections: int
    idle_seconds: float


def measure_footprint(report: Report, sizes: Sizes) -> None:
    """Start servers, fill some, stop one while it is full; compare all figures with the budgets."""
    seconds, cpu = zip(*(_start() for _ in range(sizes.starts)), strict=True)
    report.add("from the command to `serving`", "server", "s", Better.LOWER, *seconds)
    _add(report, "CPU time from the command to `serving`", "s", *cpu)
    started, connections, searches, idle_cpu, bare_cpu, wake_ups = zip(
        *(_fill(sizes) for _ in range(sizes.starts)), strict=True
    )
    _add(report, "memory after the start", "MiB", *started)
    _add(report, "memory for an open connection", "KiB", *connections)
    _add(report, "memory for a running search", "KiB", *searches)
    name = "CPU time of a server that nobody calls, a second"
    report.add(name, "server", "ms", Better.LOWER, *idle_cpu)
    report.add(name, "bare asyncio", "ms", Better.NEITHER, *bare_cpu)
    above = [server - bare for server, bare in zip(idle_cpu, bare_cpu, strict=True)]
    _add(report, "CPU time of an idle server above that of bare asyncio, a second", "ms", *above)
    _add(report, "wake-ups of a server that nobody calls", "/s", *wake_ups)
    with run_server("--client-identity", "connection") as server:
        told, ended = asyncio.run(_drain(server, sizes.searches))
    name = f"from SIGTERM with {sizes.searches:,} searches open"
    report.add(name, "all statuses have come", "ms", Better.LOWER, 1000 * told)
    report.add(name, "the process has ended", "ms", Better.LOWER, 1000 * ended)
    if (image := _image_mb()) is None:
        report.missing.append(f"size of the image: {IMAGE} is not built (make image)")
    else:
        report.add("size of the image", "server", "MB", Better.LOWER, image)


def _add(report: Report, name: str, unit: str, *values: float) -> None:
    """Add a figure that has a budget."""
    report.add(name, "server", unit, Better.LOWER, *values)
    report.add(name, "budget", unit, Better.NEITHER, BUDGETS[name])
    if (taken := report.named(name)["server"].value) > BUDGETS[name]:
        report.faults.append(f"{name}: {taken:.3g} {unit}, more than {BUDGETS[name]:g}")


def _start() -> tuple[float, float]:
    began = time.monotonic()
    with run_server() as server:
        return time.monotonic() - began, cpu_seconds(server.process.pid)


def _fill(sizes: Sizes) -> tuple[float, float, float, float, float, float]:
    """Fill a server with connections, then with searches, and leave it alone.

    Returns MiB after its start, KiB for a connection and for a search, and, of the second after
    that, ms of CPU time, those of a bare asyncio process meanwhile, and wake-ups.
    """
    # Identified by address, all searches of this machine would be one client's, above its limit.
    with run_server("--client-identity", "connection") as server:
        started = resident_bytes(server.process.pid)
        # The first batch also allocates what is needed only once, whatever the number.
        _connections(server, 10)
        connection = _connections(server, sizes.connections) / sizes.connections
        asyncio.run(_searches(server, _CHANNELS))
        search = asyncio.run(_searches(server, sizes.searches)) / sizes.searches
        with _bare_asyncio() as bare:
            idle = _idle(server.process.pid, bare, sizes.idle_seconds)
    return started / 2**20, connection / 2**10, search / 2**10, *idle


def _connections(server: ServerProcess, number: int) -> int:
    """Return by how many bytes `number` connections make a server grow."""
    before = resident_bytes(server.process.pid)
    with ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(Connection(server.address))
        time.sleep(0.5)
        return resident_bytes(server.process.pid) - before


@asynccontextmanager
async def _open_searches(
    server: ServerProcess, number: int
) -> AsyncIterator[tuple[int, list[Any]]]:
    """Open `number` searches; yield the server's memory before them, in bytes, and their calls."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [
        grpc.aio.insecure_channel(server.address, options=options) for _ in range(_CHANNELS)
    ]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    before = resident_bytes(server.process.pid)
    calls = [HashFinderStub(channels[n % _CHANNELS]).FindRange(_HOPELESS) for n in range(number)]
    await asyncio.to_thread(server.wait_for_searches, number)
    yield before, calls
    for call in calls:
        call.cancel()
    await asyncio.gather(*(channel.close() for channel in channels))


async def _searches(server: ServerProcess, number: int) -> int:
    """Return by how many bytes `number` searches make a server grow."""
    async with _open_searches(server, number) as (before, _):
        await asyncio.sleep(_TURNS_SECONDS)
        grown = resident_bytes(server.process.pid) - before
    await asyncio.to_thread(server.wait_until_idle)
    return grown


async def _drain(server: ServerProcess, number: int) -> tuple[float, float]:
    """Return the seconds from SIGTERM until all searches have their status, and to the exit."""
    async with _open_searches(server, number) as (_, calls):
        began = time.monotonic()
        server.send(signal.SIGTERM)
        codes = await asyncio.gather(*(call.code() for call in calls))
        told = time.monotonic() - began
        assert {grpc.StatusCode.UNAVAILABLE} == set(codes), f"not drained: {set(codes)}"
        code = await asyncio.to_thread(server.wait)
        assert code == 0, f"the server ended with {code}"
        return told, time.monotonic() - began


@contextmanager
def _bare_asyncio() -> Iterator[int]:
    """Run an asyncio process that only wakes once a second; yield its id."""
    command = [sys.executable, "-c", _BARE_ASYNCIO]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def _idle(server: int, bare: int, seconds: float) -> tuple[float, float, float]:
    """Return the CPU milliseconds of both processes and the wake-ups of the server, per second."""
    before = _exact_cpu_seconds(server), _exact_cpu_seconds(bare), _switches(server)
    time.sleep(seconds)
    after = _exact_cpu_seconds(server), _exact_cpu_seconds(bare), _switches(server)
    cpu, bare_cpu, switches = (
        (now - then) / seconds for now, then in zip(after, before, strict=True)
    )
    return 1000 * cpu, 1000 * bare_cpu, switches


def _exact_cpu_seconds(process: int) -> float:
    """Return the CPU time of all threads in nanosecond resolution: it is under a tick a second."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _switches(process: int) -> int:
    """Return how many voluntary context switches the threads of a process have made."""
    lines = (
        line
        for task in Path(f"/proc/{process}/task").iterdir()
        for line in (task / "status").read_text(encoding="ascii").splitlines()
    )
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))


def _image_mb() -> float | None:
    if not shutil.which("docker"):
        return None
    command = ["docker", "image", "inspect", "--format", "{{.Size}}", IMAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(done.stdout) / 1e6 if done.returncode == 0 else None
