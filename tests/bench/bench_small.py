"""`make bench-small`: how fast small searches are, and what resources a server uses.

Searches that end within some hundred hashes, 32 at once over 4 connections, in turns with a
grpc.aio server whose handler does nothing. The ratio of the two counts, by the clock and by the CPU
time of the servers, which other load disturbs less. Then the latency of single searches, in turns
on an idle server and beside dense streams of another client. Then memory, start, drain, idle CPU.
The load comes from ghz where it is installed
(`go install github.com/bojand/ghz/cmd/ghz@v0.121.0`), else in Python.

Exit codes: 0; 1 where the ratio is below --at-least.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.bench import small_load
from tests.bench.footprint import Sizes, measure_footprint
from tests.bench.machine import cpu_seconds
from tests.bench.report import RATIO, Better, Report, run
from tests.integration.server.crowd import crowd
from tests.integration.server_process import ServerProcess, run_server

OURS, BARE = "HashFinder", "bare grpc.aio"
RATIOS = "small searches, of the bare server's"


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    """Of load, per server and round."""
    calls: int
    """Per part of a latency round."""
    streams: int
    """The other client's dense streams."""
    sizes: Sizes


FULL = Plan(5, 4.0, 100, 100, Sizes(5, 1000, 500, 4.0))
QUICK = Plan(2, 1.0, 30, 20, Sizes(2, 1000, 100, 2.0))


def measure(report: Report, arguments: argparse.Namespace) -> None:
    """Measure all."""
    plan = QUICK if arguments.quick else FULL
    if not small_load.ghz():
        report.missing.append("ghz is not installed: Python makes the load, which is slower")
    with run_server("--client-identity", "connection") as server, _bare() as (bare, address):
        ours, theirs = (server.address, server.process.pid), (address, bare.pid)
        rounds = [
            (_turn(*ours, plan.seconds), _turn(*theirs, plan.seconds)) for _ in range(plan.rounds)
        ]
        latencies = [_latencies(server, plan) for _ in range(plan.rounds)]
    for column, (subject, better) in enumerate(((OURS, True), (BARE, False))):
        rates, costs = zip(*(each[column] for each in rounds), strict=True)
        higher, lower = (Better.HIGHER, Better.LOWER) if better else (Better.NEITHER,) * 2
        report.add("small searches", subject, "/s", higher, *rates)
        report.add("CPU time of the server for an RPC", subject, "µs", lower, *costs)
    by_clock = [our[0] / their[0] for our, their in rounds]
    by_cpu = [their[1] / our[1] for our, their in rounds]
    report.add(RATIOS, "rate", RATIO, Better.HIGHER, *by_clock)
    report.add(RATIOS, "rate by CPU time", RATIO, Better.HIGHER, *by_cpu)
    name, streams = "one small search at a time", f"beside {plan.streams} dense streams"
    report.add(name, "idle server", "ms", Better.LOWER, *(idle for idle, _ in latencies))
    report.add(name, streams, "ms", Better.LOWER, *(beside for _, beside in latencies))
    factors = [beside / idle for idle, beside in latencies]
    report.add(f"{name}, times that on an idle server", streams, RATIO, Better.LOWER, *factors)
    measure_footprint(report, plan.sizes)
    if median(by_clock) < arguments.at_least:
        report.faults.append(f"the ratio is below {arguments.at_least}")


def _turn(address: str, process: int, seconds: float) -> tuple[float, float]:
    """Return the RPCs per second, and the server's CPU microseconds per RPC."""
    cpu = cpu_seconds(process)
    rate = small_load.rate(address, seconds)
    return rate, 1e6 * (cpu_seconds(process) - cpu) / (rate * seconds)


def _latencies(server: ServerProcess, plan: Plan) -> tuple[float, float]:
    """Return the median milliseconds of a search on an idle server, then beside dense streams."""
    with server.stub() as stub:
        idle = _median_ms(stub, plan.calls)
        with crowd(server.address, "dense", plan.streams):
            beside = _median_ms(stub, plan.calls)
    server.wait_until_idle(30)
    return idle, beside


def _median_ms(stub: HashFinderStub, calls: int) -> float:
    request, times = HashNameRequest(desired_name=small_load.NAME), []
    for _ in range(calls):
        began = time.perf_counter()
        stub.Find(request, timeout=20)
        times.append(1000 * (time.perf_counter() - began))
    return median(times)


@contextmanager
def _bare() -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run a server with an empty handler; yield its process and its address."""
    command = [sys.executable, "-m", "tests.bench.empty_server"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process, process.stdout.readline().strip()
        process.stdin.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter measurements")
    parser.add_argument("--at-least", type=float, default=0.0, help="the ratio to insist on")
    return parser


if __name__ == "__main__":
    sys.exit(run("small", measure, _parser()))
