"""`make bench-hops`: from a client's end to the end of its search, directly and over a hop.

For each way to leave: open a search, wait until the server has it, leave, and look at the server's
`hashfinder_searches_active` until it has fallen. A look takes some milliseconds, the same for every
way. Chromium is driven where it is installed. Then two hundred connections at once, of searches,
and of people who look or do not read: what they cost the gateway, and searches over gRPC.

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
from importlib.util import find_spec

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.bench.crowds import measure_searches, measure_visitors
from tests.bench.report import Better, Report, percentile, run
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
        ways = _ways(server, gateway, stack) + _chromium_ways(gateway, stack, report)
        for number in range(arguments.rounds + 1):  # in turns: all see the same noise
            for way in ways:
                _measure(server, way, counts=number > 0)
        measure_searches(server, gateway, report)
        measure_visitors(server, gateway, report)
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


def _chromium_ways(gateway: GatewayProcess, stack: ExitStack, report: Report) -> list[Way]:
    if find_spec("playwright") is None:
        report.missing.append("Chromium, which `make bench-hops` drives where it is installed")
        return []
    from tests.bench.chromium_ways import chromium_ways  # noqa: PLC0415  # needs its driver

    return [Way(name, begin) for name, begin in chromium_ways(gateway, stack).items()]


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how often each way is taken (100)")
    return parser


if __name__ == "__main__":
    sys.exit(run("hops", measure, _parser()))
