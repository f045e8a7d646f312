"""`make bench-small`: how fast small searches are, and what a server takes.

Searches that end within some hundred hashes, 32 at once over 4 connections, in turns with a
grpc.aio server whose handler does nothing: what counts is the ratio, by the clock and by the CPU
time of the servers, which others on the machine disturb less. Then the latency of one such search
at a time, in turns on an idle server and beside dense streams of another client. Then memory,
start and idle CPU. The load is made by ghz where it is installed
(`go install github.com/bojand/ghz/cmd/ghz@v0.121.0`), else in Python.

Exit codes: 0; 1 where the ratio is below --at-least.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.bench import small_load
from tests.bench.footprint import Footprint, Sizes, measure_footprint
from tests.bench.machine import CpuTimes, cpu_name, cpu_seconds
from tests.integration.server.crowd import crowd
from tests.integration.server_process import ServerProcess, run_server

NOISY = 0.05
"""The part of the machine that others may use before the numbers are called noisy."""
CORES = os.cpu_count() or 1
HEAD = f"\n{'RPCs a second':>27} {'bare':>7} {'ratio':>6} {'CPU us':>7} {'bare':>6} {'ratio':>6}"


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    """Of load, for each server in a round."""
    calls: int
    """In each part of a round of latencies."""
    streams: int
    """Dense ones of the other client."""
    sizes: Sizes


FULL = Plan(5, 4.0, 100, 100, Sizes(5, 1000, 500, 10.0))
QUICK = Plan(2, 1.0, 30, 20, Sizes(2, 200, 100, 2.0))


@dataclass(frozen=True)
class Turn:
    """One server under load for a while."""

    rate: float
    """RPCs a second."""
    cpu_microseconds: float
    """Of the server, for an RPC."""
    others: float
    """The part of the machine that others used meanwhile."""


@dataclass(frozen=True)
class Round:
    """Both servers under the same load, one after the other."""

    ours: Turn
    bare: Turn

    @property
    def ratio(self) -> float:
        """Our rate over that of the bare server."""
        return self.ours.rate / self.bare.rate

    @property
    def cpu_ratio(self) -> float:
        """The bare server's CPU time for an RPC over ours: what the ratio is without noise."""
        return self.bare.cpu_microseconds / self.ours.cpu_microseconds


def measure(plan: Plan) -> dict[str, Any]:
    """Measure all, print as it comes, and return the figures."""
    with run_server("--client-identity", "connection") as server, _bare() as (bare, address):
        print(f"{server.kernel}, {CORES} cores, {platform.platform()}")
        print(f"the load is made by {'ghz' if small_load.ghz() else 'Python: ghz is missing'}")
        print(HEAD)
        rounds = []
        for _ in range(plan.rounds):
            ours = _turn(server.address, server.process.pid, plan.seconds)
            rounds.append(Round(ours, _turn(address, bare.pid, plan.seconds)))
            print(_round_line(rounds[-1]), flush=True)
        latencies = [_latencies(server, plan) for _ in range(plan.rounds)]
    footprint = measure_footprint(plan.sizes)
    others = median(turn.others for each in rounds for turn in (each.ours, each.bare))
    return {
        "rate": median(each.ours.rate for each in rounds),
        "bare_rate": median(each.bare.rate for each in rounds),
        "ratio": median(each.ratio for each in rounds),
        "cpu_ratio": median(each.cpu_ratio for each in rounds),
        "find_idle_ms": median(idle for idle, _ in latencies),
        "find_beside_ms": median(beside for _, beside in latencies),
        "find_factor": median(beside / idle for idle, beside in latencies),
        "streams": plan.streams,
        "load": "ghz" if small_load.ghz() else "python",
        "others": others,
        "rounds": [asdict(each) for each in rounds],
        "latencies_ms": latencies,
        "footprint": asdict(footprint),
    }


def _turn(address: str, process: int, seconds: float) -> Turn:
    began, machine, cpu = time.monotonic(), CpuTimes.now(), cpu_seconds(process)
    rate = small_load.rate(address, seconds)
    passed = time.monotonic() - began
    used = cpu_seconds(process) - cpu
    others = CpuTimes.now().others_since(machine) / passed / CORES
    return Turn(rate, 1e6 * used / (rate * seconds), others)


def _latencies(server: ServerProcess, plan: Plan) -> tuple[float, float]:
    """Return the median milliseconds of a search: on an idle server, then beside streams."""
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


def _round_line(each: Round) -> str:
    ours, bare = each.ours, each.bare
    return (
        f"{ours.rate:>27.0f} {bare.rate:>7.0f} {each.ratio:>6.2f} {ours.cpu_microseconds:>7.0f} "
        f"{bare.cpu_microseconds:>6.0f} {each.cpu_ratio:>6.2f}"
    )


def _summary(results: dict[str, Any]) -> str:
    taken = Footprint(**results["footprint"])
    noise = "THE MACHINE WAS NOISY" if results["others"] > NOISY else "the machine was quiet"
    image = "not built: make image" if taken.image_mb is None else f"{taken.image_mb:.0f} MB"
    return f"""
small searches: {results["rate"]:.0f} a second, {results["ratio"]:.2f} of the bare server's rate; \
{results["cpu_ratio"]:.2f} by CPU time
one at a time: {results["find_idle_ms"]:.2f} ms; beside {results["streams"]} dense streams of \
another client {results["find_beside_ms"]:.2f} ms, {results["find_factor"]:.1f} times as long
start: {taken.start_seconds:.2f} s, of them {taken.start_cpu_seconds:.2f} s of CPU
memory: {taken.resident_mib:.0f} MiB, {taken.search_kib:.0f} KiB for an open search, \
{taken.connection_kib:.0f} KiB for a connection
idle: {1000 * taken.idle_cpu:.1f} ms of CPU and {taken.idle_wake_ups:.0f} wake-ups a second
image: {image}
others used {results["others"]:.0%} of the machine at the median: {noise}"""


def main() -> int:
    """Measure, print, write."""
    arguments = _arguments()
    results = measure(QUICK if arguments.quick else FULL)
    print(_summary(results))
    results["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    results["machine"] = {"platform": platform.platform(), "cores": CORES, "cpu": cpu_name()}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {arguments.json}")
    return 0 if results["ratio"] >= arguments.at_least else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-small", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter measurements")
    parser.add_argument(
        "--json", type=Path, default=Path(".cache/bench-small.json"), help="where to write results"
    )
    parser.add_argument("--at-least", type=float, default=0.0, help="the ratio to insist on")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
