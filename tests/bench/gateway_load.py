"""What two hundred connections cost the gateway, and how much they slow down searches."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.bench.gateway_clients import polling_pages, stalled_readers
from tests.bench.machine import cpu_seconds, worker_seconds
from tests.bench.recorder import resident_bytes
from tests.bench.report import RATIO, Better, Report
from tests.integration.gateway_process import UNFINDABLE, GatewayProcess, get, search
from tests.integration.server_process import ServerProcess, eventually

_CONNECTIONS = 200
_WINDOW_SECONDS = 5.0
_TURNS = 3
"""How often the pages and clients come and go."""
_MEGA = 1e6


@dataclass(frozen=True)
class _Window:
    """What is used in a second, in CPU seconds unless said otherwise."""

    hashes: float
    """In millions."""
    workers: float
    """The server's threads that search."""
    server: float
    """All of the server."""
    gateway: float
    bench: float
    """This process, which plays the browsers."""


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
        direct = _window(server, gateway, _CONNECTIONS)
    server.wait_until_idle(30)
    idle = resident_bytes(pid) / _MEGA
    with ExitStack() as stack:
        for _ in range(_CONNECTIONS):
            client = stack.enter_context(socket.create_connection(gateway.address))
            client.sendall(get(search(progress_interval=1)))
        hop = _window(server, gateway, _CONNECTIONS)
        crowded = resident_bytes(pid) / _MEGA
    server.wait_until_idle(30)
    rates = [each.hashes / each.server for each in (direct, hop)]
    hashes, over = f"{name}hashes for a CPU second of the server", "over the gateway"
    report.add(hashes, "over gRPC", "M/s", Better.HIGHER, rates[0])
    report.add(hashes, over, "M/s", Better.HIGHER, rates[1])
    report.add(f"{name}of the rate over gRPC", over, RATIO, Better.HIGHER, rates[1] / rates[0])
    _add_cores(report, f"{name}CPU time of the gateway", over, hop.gateway)
    memory = "memory of the gateway"
    report.add(memory, "idle", "MB", Better.LOWER, idle)
    report.add(memory, f"with {_CONNECTIONS} searches", "MB", Better.LOWER, crowded)


def measure_polling_and_stalled(
    server: ServerProcess, gateway: GatewayProcess, report: Report
) -> None:
    """Measure pages that poll and clients that do not read, beside one search over gRPC."""
    half = _CONNECTIONS // 2
    beside, alone, memory = [], [], 0.0
    with ExitStack() as stack:
        call = stack.enter_context(server.stub()).FindRange(
            HashNameRequest(desired_name=UNFINDABLE)
        )
        stack.callback(call.cancel)
        for _ in range(_TURNS):
            alone.append(_window(server, gateway, 1))
            with polling_pages(gateway, half), stalled_readers(gateway, half):
                server.wait_until_nothing_is_sent(180)  # all buffers for stalled clients are full
                beside.append(_window(server, gateway, 1))
                memory = max(memory, resident_bytes(gateway.process.pid) / _MEGA)
            eventually(lambda: server.metric("hashfinder_searches_active") == 1, "they left", 30)
        alone.append(_window(server, gateway, 1))
    server.wait_until_idle(30)
    name = f"{half} pages that look and {half} clients that do not read: "
    rates: dict[str, Callable[[_Window], float]] = {
        "hashes for a CPU second of the server": lambda it: it.hashes / it.server,
        "hashes for a CPU second of the workers": lambda it: it.hashes / it.workers,
        "hashes a second": lambda it: it.hashes,
    }
    for what, rate in rates.items():
        around = zip(beside, pairwise(alone), strict=True)
        ratios = [rate(it) / mean(map(rate, others)) for it, others in around]
        subject = "of the rate before and after"
        report.add(f"{name}a search over gRPC, {what}", subject, RATIO, Better.HIGHER, *ratios)
    uses: dict[str, Callable[[_Window], float]] = {
        "the gateway": lambda it: it.gateway,
        "the pages, which the bench plays": lambda it: it.bench,
        "the workers": lambda it: it.workers,
        "the rest of the server": lambda it: it.server - it.workers,
    }
    with_them = f"with {_CONNECTIONS} connections"
    for who, used in uses.items():
        _add_cores(report, f"{name}CPU time of {who}", with_them, *map(used, beside))
    _add_cores(
        report,
        "one search over gRPC: CPU time of the workers",
        "alone",
        *map(uses["the workers"], alone),
    )
    report.add(f"{name}memory of the gateway", with_them, "MB", Better.LOWER, memory)


def _add_cores(report: Report, name: str, subject: str, *cores: float) -> None:
    better = Better.LOWER if name.endswith("the gateway") else Better.NEITHER
    report.add(name, subject, "% of a core", better, *(100 * each for each in cores))


def _window(server: ServerProcess, gateway: GatewayProcess, searches: int) -> _Window:
    """Return what is used in a second, once so many searches are under way."""
    active = "hashfinder_searches_active"
    eventually(lambda: server.metric(active) >= searches, "all have begun", 30)
    time.sleep(1)

    def used() -> list[float]:
        return [
            server.metric("hashfinder_hashes_total") / _MEGA,
            worker_seconds(server.process.pid),
            cpu_seconds(server.process.pid),
            cpu_seconds(gateway.process.pid),
            sum(os.times()[:2]),
        ]

    began, before = time.monotonic(), used()
    time.sleep(_WINDOW_SECONDS)
    after, seconds = used(), time.monotonic() - began
    return _Window(*((late - early) / seconds for early, late in zip(before, after, strict=True)))
