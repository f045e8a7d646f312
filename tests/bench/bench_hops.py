"""`make bench-hops`: from a client's end to the end of its search, directly and over a hop.

For each way to leave: open a search, wait until the server has it, leave, and look at the server's
`hashfinder_searches_active` until it has fallen. A look takes some milliseconds, the same for every
way. Then two hundred connections at once: what they cost the gateway.

Exit codes: 0; 1 where a search behind the gateway did not end.
"""

import argparse
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.bench.ledger import resident_bytes
from tests.bench.machine import cpu_seconds
from tests.bench.report import RATIO, Better, Report, percentile, run
from tests.integration.gateway_process import (
    CURL,
    UNFINDABLE,
    GatewayProcess,
    get,
    post,
    run_gateway,
    search,
)
from tests.integration.server_process import ServerProcess, eventually, run_server

_GONE_SECONDS = 2.0
"""A search that is still there by then has leaked."""
_ENOUGH_LEAKS = 3
"""After so many, it is what a way does."""
_PAUSE_SECONDS = 0.02
_CONNECTIONS = 200
_WINDOW_SECONDS = 5.0
_MEGA = 1e6

Leave = Callable[[], None]
Begin = Callable[[ExitStack], Leave]
"""Begins a search, and returns what ends its client. The stack cleans up."""


@dataclass
class Way:
    """A way to search and to leave."""

    name: str
    begin: Begin
    milliseconds: list[float] = field(default_factory=list)
    leaked: int = 0


def measure(report: Report, arguments: argparse.Namespace) -> None:
    """Measure all ways, then the crowd."""
    with ExitStack() as stack:
        server = stack.enter_context(run_server())
        gateway = stack.enter_context(run_gateway(server))
        ways = _ways(server, gateway, stack)
        for number in range(arguments.rounds + 1):  # in turns: all see the same noise
            for way in ways:
                _measure(server, way, counts=number > 0)
        _crowd(server, gateway, report)
        with _plain_route(server) as plain:  # last, as what it leaks keeps the server busy
            others = _plain_ways(plain)
            for way in others:
                for number in range(arguments.rounds + 1):
                    _measure(server, way, counts=number > 0)
    for way in ways + others:
        better = Better.NEITHER if way in others else Better.LOWER
        for percent in (50, 99):
            value = percentile(way.milliseconds, percent)
            report.add(way.name, f"p{percent}", "ms", better, value)
        tried = way.leaked + len(way.milliseconds)
        report.add(way.name, "went on", "%", better, 100 * way.leaked / tried)
        if way.leaked and way in ways:
            report.faults.append(f"{way.name}: {way.leaked} of {tried} searches went on")


def _ways(server: ServerProcess, gateway: GatewayProcess, stack: ExitStack) -> list[Way]:
    stub = stack.enter_context(server.stub())
    message = HashNameRequest(desired_name=UNFINDABLE)

    def direct(_: ExitStack) -> Leave:
        call = stub.FindRange(message)
        return lambda: (call.cancel(), None)[1]

    def curl(cleaning: ExitStack) -> Leave:
        words = [CURL, "--silent", "--no-buffer", gateway.url + search()]
        process = cleaning.enter_context(subprocess.Popen(words, stdout=subprocess.DEVNULL))
        cleaning.callback(process.kill)
        return lambda: process.send_signal(signal.SIGKILL)

    unary = post("Find", {"desiredName": UNFINDABLE})
    stream = post("FindRange", {"desiredName": UNFINDABLE}, stream=True)
    return [
        Way("gRPC, cancelled", direct),
        Way("gateway, curl killed", curl),
        Way("gateway, /find closed", _connection(gateway.address, get(search()))),
        Way("gateway, Connect stream closed", _connection(gateway.address, stream)),
        Way("gateway, Connect unary closed", _connection(gateway.address, unary)),
    ]


def _plain_ways(plain: tuple[str, int]) -> list[Way]:
    stream, unary = get(f"/stream/{UNFINDABLE}"), get(f"/unary/{UNFINDABLE}")
    return [
        Way("plain route, StreamingResponse closed", _connection(plain, stream)),
        Way("plain route, unary closed", _connection(plain, unary)),
    ]


def _connection(address: tuple[str, int], request: bytes) -> Begin:
    def begin(cleaning: ExitStack) -> Leave:
        client = cleaning.enter_context(socket.create_connection(address))
        client.sendall(request)
        return client.close

    return begin


def _measure(server: ServerProcess, way: Way, *, counts: bool) -> None:
    if way.leaked >= _ENOUGH_LEAKS:
        return
    active = server.metric("hashfinder_searches_active")
    with ExitStack() as cleaning:
        leave = way.begin(cleaning)
        eventually(lambda: server.metric("hashfinder_searches_active") > active, "it began", 20)
        time.sleep(_PAUSE_SECONDS)
        began = time.monotonic()
        leave()
        while server.metric("hashfinder_searches_active") > active:
            if time.monotonic() - began > _GONE_SECONDS:
                way.leaked += 1
                return
        if counts:
            way.milliseconds.append(1000 * (time.monotonic() - began))


@contextmanager
def _plain_route(server: ServerProcess) -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        words = [sys.executable, "-m", "tests.bench.plain_route", server.address, str(descriptor)]
        process = subprocess.Popen(words, pass_fds=[descriptor])
        try:
            yield listener.getsockname()
        finally:
            process.kill()
            process.wait()


def _crowd(server: ServerProcess, gateway: GatewayProcess, report: Report) -> None:
    """Measure what many connections cost the gateway, and the server's rate beside that without."""
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


def _window(server: ServerProcess, pid: int) -> tuple[float, float]:
    """Return the server's rate in millions a CPU second, and the cores that `pid` uses."""
    active = "hashfinder_searches_active"
    eventually(lambda: server.metric(active) >= _CONNECTIONS, "all have begun", 30)
    time.sleep(1)
    began, hashes = time.monotonic(), server.metric("hashfinder_hashes_total")
    cpu, server_cpu = cpu_seconds(pid), cpu_seconds(server.process.pid)
    time.sleep(_WINDOW_SECONDS)
    hashes = server.metric("hashfinder_hashes_total") - hashes
    server_cpu = cpu_seconds(server.process.pid) - server_cpu
    cores = (cpu_seconds(pid) - cpu) / (time.monotonic() - began)
    return hashes / server_cpu / _MEGA, cores


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how often each way is taken (100)")
    return parser


if __name__ == "__main__":
    sys.exit(run("hops", measure, _parser()))
