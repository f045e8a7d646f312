"""What two hundred connections cost the gateway, and how much they slow down searches."""

import socket
import time
from contextlib import ExitStack

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.bench.gateway_clients import polling_pages, stalled_readers
from tests.bench.machine import cpu_seconds
from tests.bench.recorder import resident_bytes
from tests.bench.report import RATIO, Better, Report
from tests.integration.gateway_process import UNFINDABLE, GatewayProcess, get, search
from tests.integration.server_process import ServerProcess, eventually

_CONNECTIONS = 200
_WINDOW_SECONDS = 5.0
_MEGA = 1e6


def measure_searches(server: ServerProcess, gateway: GatewayProcess, report: Report) -> None:
    """Measure 200 searches through the gateway beside the same 200 over gRPC."""
    pid = gateway.process.pid
    name = f"{_CONNECTIONS} searches, each with a report a second: "
    with ExitStack() as stack:
        stub = stack.enter_context(server.stub())
        message = HashNameRequest(desired_name=UNFINDABLE)
        message.progress_interval.FromSeconds(1)
        for _ in range(_CONNECTIONS):
            stack.callback(stub.FindRange(message).cancel)
        direct, _ = _window(server, pid)
    server.wait_until_idle(30)
    idle = resident_bytes(pid) / _MEGA
    with ExitStack() as stack:
        for _ in range(_CONNECTIONS):
            client = stack.enter_context(socket.create_connection(gateway.address))
            client.sendall(get(search(progress_interval=1)))
        rate, cores = _window(server, pid)
        crowded = resident_bytes(pid) / _MEGA
    server.wait_until_idle(30)
    report.add(
        f"{name}hashes for a CPU second of the server", "over gRPC", "M/s", Better.HIGHER, direct
    )
    report.add(
        f"{name}hashes for a CPU second of the server",
        "over the gateway",
        "M/s",
        Better.HIGHER,
        rate,
    )
    report.add(
        f"{name}of the rate over gRPC", "over the gateway", RATIO, Better.HIGHER, rate / direct
    )
    report.add(
        f"{name}CPU time of the gateway",
        "over the gateway",
        "% of a core",
        Better.LOWER,
        100 * cores,
    )
    report.add("memory of the gateway", "idle", "MB", Better.LOWER, idle)
    report.add(
        "memory of the gateway", f"with {_CONNECTIONS} searches", "MB", Better.LOWER, crowded
    )


def measure_polling_and_stalled(
    server: ServerProcess, gateway: GatewayProcess, report: Report
) -> None:
    """Measure pages that poll and clients that do not read, beside one search over gRPC."""
    pid, half = gateway.process.pid, _CONNECTIONS // 2
    name = f"{half} pages that look and {half} clients that do not read: "
    with ExitStack() as stack:
        call = stack.enter_context(server.stub()).FindRange(
            HashNameRequest(desired_name=UNFINDABLE)
        )
        stack.callback(call.cancel)
        alone = [_window(server, pid, 1)[0]]
        with polling_pages(gateway, half), stalled_readers(gateway, half):
            server.wait_until_nothing_is_sent(180)  # every buffer for the stalled clients is full
            rate, cores = _window(server, pid, 1)
            memory = resident_bytes(pid) / _MEGA
        eventually(lambda: server.metric("hashfinder_searches_active") == 1, "they are gone", 30)
        alone.append(_window(server, pid, 1)[0])
    server.wait_until_idle(30)
    with_them = f"with {_CONNECTIONS} connections"
    report.add(
        f"{name}a search over gRPC, hashes for a CPU second of the server",
        "of the rate before and after",
        RATIO,
        Better.HIGHER,
        *(rate / each for each in alone),
    )
    report.add(
        f"{name}CPU time of the gateway", with_them, "% of a core", Better.LOWER, 100 * cores
    )
    report.add(f"{name}memory of the gateway", with_them, "MB", Better.LOWER, memory)


def _window(server: ServerProcess, pid: int, searches: int = _CONNECTIONS) -> tuple[float, float]:
    """Return the server's million hashes per CPU second, and the cores that `pid` uses."""
    active = "hashfinder_searches_active"
    eventually(lambda: server.metric(active) >= searches, "all have begun", 30)
    time.sleep(1)
    began, hashes = time.monotonic(), server.metric("hashfinder_hashes_total")
    cpu, server_cpu = cpu_seconds(pid), cpu_seconds(server.process.pid)
    time.sleep(_WINDOW_SECONDS)
    hashes = server.metric("hashfinder_hashes_total") - hashes
    server_cpu = cpu_seconds(server.process.pid) - server_cpu
    cores = (cpu_seconds(pid) - cpu) / (time.monotonic() - began)
    return hashes / server_cpu / _MEGA, cores
