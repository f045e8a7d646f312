"""What a server takes: memory by search and by connection, its start, the CPU of an idle one."""

import asyncio
import shutil
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.bench.ledger import resident_bytes
from tests.bench.machine import cpu_seconds
from tests.http2 import Connection
from tests.integration.server_process import ServerProcess, run_server

IMAGE = "hashfinder:dev"
_HOPELESS = HashNameRequest(desired_name="hopelesshopeless")
_CHANNELS = 16


@dataclass(frozen=True)
class Sizes:
    """How much is opened, and for how long an idle server is watched."""

    starts: int
    searches: int
    connections: int
    idle_seconds: float


@dataclass(frozen=True)
class Footprint:
    """What a server takes."""

    start_seconds: float
    """From its command to its line `serving`; the median."""
    start_cpu_seconds: float
    """The CPU time until then."""
    resident_mib: float
    """Of a server that has just started."""
    search_kib: float
    """What an open search adds."""
    connection_kib: float
    """What an open connection without any RPC adds."""
    idle_cpu: float
    """CPU seconds a second of a server that nobody calls."""
    idle_wake_ups: float
    """How often its threads wake up, in a second."""
    image_mb: float | None
    """The size of the image `hashfinder:dev`; None where there is none."""


def measure_footprint(sizes: Sizes) -> Footprint:
    """Start servers, and fill one."""
    starts = [_start() for _ in range(sizes.starts)]
    # By address, all searches of this machine would be one client's: more than it may have.
    with run_server("--client-identity", "connection") as server:
        process = server.process.pid
        resident = resident_bytes(process)
        # The first ones also bring what is made once, whatever the number.
        _connections(server, 10)
        connection = _connections(server, sizes.connections) / sizes.connections
        asyncio.run(_searches(server, _CHANNELS))
        search = asyncio.run(_searches(server, sizes.searches)) / sizes.searches
        server.wait_until_idle()
        idle_cpu, wake_ups = _idle(process, sizes.idle_seconds)
    return Footprint(
        start_seconds=median(seconds for seconds, _ in starts),
        start_cpu_seconds=median(cpu for _, cpu in starts),
        resident_mib=resident / 2**20,
        search_kib=search / 2**10,
        connection_kib=connection / 2**10,
        idle_cpu=idle_cpu,
        idle_wake_ups=wake_ups,
        image_mb=_image_mb(),
    )


def _start() -> tuple[float, float]:
    began = time.monotonic()
    with run_server() as server:
        return time.monotonic() - began, cpu_seconds(server.process.pid)


def _connections(server: ServerProcess, number: int) -> int:
    """Return by how many bytes so many connections make a server grow."""
    before = resident_bytes(server.process.pid)
    with ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(Connection(server.address))
        time.sleep(0.5)
        return resident_bytes(server.process.pid) - before


async def _searches(server: ServerProcess, number: int) -> int:
    """Return by how many bytes so many searches make a server grow."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [
        grpc.aio.insecure_channel(server.address, options=options) for _ in range(_CHANNELS)
    ]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    before = resident_bytes(server.process.pid)
    calls = [HashFinderStub(channels[n % _CHANNELS]).FindRange(_HOPELESS) for n in range(number)]
    await asyncio.to_thread(server.wait_for_searches, number)
    grown = resident_bytes(server.process.pid) - before
    for call in calls:
        call.cancel()
    await asyncio.gather(*(channel.close() for channel in channels))
    await asyncio.to_thread(server.wait_until_idle)
    return grown


def _idle(process: int, seconds: float) -> tuple[float, float]:
    """Return the CPU and the wake-ups of a process, by second."""
    cpu, switches = cpu_seconds(process), _switches(process)
    time.sleep(seconds)
    cpu, switches = cpu_seconds(process) - cpu, _switches(process) - switches
    return cpu / seconds, switches / seconds


def _switches(process: int) -> int:
    """Return how often the threads of a process have given up the CPU by themselves."""
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
