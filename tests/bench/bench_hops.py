"""`make bench-hops`: from a client's disconnect to the end of its search, directly and over a hop.

For each way to disconnect: open a search, wait until the server runs it, disconnect, and poll the
server's `hashfinder_searches_active` until it falls. A poll takes some milliseconds, the same in
every case. Chromium is driven where it is installed. Then two hundred connections at once, first
of searches, then of pages that poll and clients that do not read: what they cost the gateway, and
how much they slow down searches over gRPC.

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
from tests.bench.baselines import MAXIMUM_HASHES
from tests.bench.gateway_load import measure_polling_and_stalled, measure_searches
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
"""A search that still runs after this time counts as leaked."""
_ENOUGH_LEAKS = 3
"""After this many leaks a case is not measured any further."""
_PAUSE_SECONDS = 0.02

Leave = Callable[[], None]
Begin = Callable[[ExitStack], Leave]
"""Starts a search and returns the function that disconnects its client. The stack cleans up."""


@dataclass
class Disconnect:
    """A way to start a search and to disconnect from it."""

    name: str
    begin: Begin
    milliseconds: list[float] = field(default_factory=list)
    leaked: int = 0


def measure(report: Report, arguments: argparse.Namespace) -> None:
    """Measure all disconnects, then many connections at once."""
    with ExitStack() as stack:
        server = stack.enter_context(run_server("--maximum-hashes", str(MAXIMUM_HASHES)))
        gateway = stack.enter_context(run_gateway(server))
        ways = _disconnects(server, gateway, stack) + _chromium_disconnects(gateway, stack, report)
        for number in range(arguments.rounds + 1):  # alternating, so that noise affects all alike
            for way in ways:
                _measure(server, way, counts=number > 0)
        measure_searches(server, gateway, report)
        measure_polling_and_stalled(server, gateway, report)
        with _plain_route(server) as plain:  # last, as what it leaks keeps the server busy
            others = _plain_disconnects(plain)
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


def _disconnects(
    server: ServerProcess, gateway: GatewayProcess, stack: ExitStack
) -> list[Disconnect]:
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
        Disconnect("gRPC, cancelled", direct),
        Disconnect("gateway, curl killed", curl),
        Disconnect("gateway, /find closed", _connection(gateway.address, get(search()))),
        Disconnect("gateway, Connect stream closed", _connection(gateway.address, stream)),
        Disconnect("gateway, Connect unary closed", _connection(gateway.address, unary)),
    ]


def _chromium_disconnects(
    gateway: GatewayProcess, stack: ExitStack, report: Report
) -> list[Disconnect]:
    if find_spec("playwright") is None:
        report.missing.append("Chromium, which `make bench-hops` drives where it is installed")
        return []
    from tests.bench.chromium_disconnects import (  # noqa: PLC0415  # needs its driver
        chromium_disconnects,
    )

    return [Disconnect(name, begin) for name, begin in chromium_disconnects(gateway, stack).items()]


def _plain_disconnects(plain: tuple[str, int]) -> list[Disconnect]:
    stream, unary = get(f"/stream/{UNFINDABLE}"), get(f"/unary/{UNFINDABLE}")
    return [
        Disconnect("plain route, StreamingResponse closed", _connection(plain, stream)),
        Disconnect("plain route, unary closed", _connection(plain, unary)),
    ]


def _connection(address: tuple[str, int], request: bytes) -> Begin:
    def begin(cleaning: ExitStack) -> Leave:
        client = cleaning.enter_context(socket.create_connection(address))
        client.sendall(request)
        return client.close

    return begin


def _measure(server: ServerProcess, disconnect: Disconnect, *, counts: bool) -> None:
    if disconnect.leaked >= _ENOUGH_LEAKS:
        return
    active = server.metric("hashfinder_searches_active")
    with ExitStack() as cleaning:
        leave = disconnect.begin(cleaning)
        eventually(lambda: server.metric("hashfinder_searches_active") > active, "it began", 20)
        time.sleep(_PAUSE_SECONDS)
        began = time.monotonic()
        leave()
        while server.metric("hashfinder_searches_active") > active:
            if time.monotonic() - began > _GONE_SECONDS:
                disconnect.leaked += 1
                return
        if counts:
            disconnect.milliseconds.append(1000 * (time.monotonic() - began))


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
