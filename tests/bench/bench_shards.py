"""`make bench-shards`: one search over three servers of one worker each, against one such server.

Both search the same positions, in turns. On fewer cores three servers cannot be three times as fast
by the clock, so that the speed-up is one of CPU time: the CPU seconds that the lone server takes,
over those of the busiest of three. It is what three machines gain, but for the time that one of
them waits for its next range. The clock's ratio stands beside it, with what the cores allow.

Exit codes: 0; 1 where the speed-up is below --at-least.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hashfinder.kernel import load_kernel
from tests.bench.machine import CpuTimes, bare_rate, cpu_name, cpu_seconds
from tests.integration.replicas import NameServer, Replicas
from tests.integration.server_process import ServerProcess, run_server

HOPELESS = "hashfinderhashfinder"
SHARDS = 3
RANGES = 60
"""So many ranges that one more or less for a server hardly counts."""
NOISY = 0.05
"""The part of the machine that others may use before the numbers are called noisy."""


@dataclass(frozen=True)
class Turn:
    """One search, by one server or by three."""

    servers: int
    hashes: int
    seconds: float
    """By the clock, the start of the program included."""
    cpu: list[float]
    """CPU seconds of each server that took part."""
    others: float
    """The part of the machine that others used meanwhile."""

    @property
    def rate(self) -> float:
        """Hashes for a CPU second of the servers."""
        return self.hashes / sum(self.cpu)


def measure(target: str, servers: list[ServerProcess], hashes: int, *flags: str) -> Turn:
    """Search so many hashes and find nothing."""
    command = [sys.executable, "-m", "hashfinder_cli", "find", HOPELESS, "--server", target]
    command += ["--maximum-hashes", str(hashes), "--resume", *flags]
    before = [cpu_seconds(server.process.pid) for server in servers]
    machine, began = CpuTimes.now(), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    others = CpuTimes.now().others_since(machine) / (seconds * (os.cpu_count() or 1))
    if done.returncode != 3 or f"after {hashes:,} hashes" not in done.stderr:
        message = f"the search ended with exit code {done.returncode}: {done.stderr}"
        raise RuntimeError(message)
    after = [cpu_seconds(server.process.pid) for server in servers]
    used = [b - a for a, b in zip(before, after, strict=True)]
    return Turn(len(servers), hashes, seconds, used, others)


def main() -> int:
    """Measure, print, write."""
    arguments = _arguments()
    kernel = load_kernel()
    rate = bare_rate(kernel, 1, 0.5)
    hashes = int(rate * arguments.seconds)
    print(f"{kernel.backend}, {rate / 1e6:.0f} M/s bare, {os.cpu_count()} cores, {cpu_name()}")
    print(f"{hashes:,} hashes in {RANGES} ranges\n{_HEAD}", flush=True)
    flags = ("--shards", str(SHARDS), "--range-size", str(-(-hashes // RANGES)))
    names = NameServer()
    turns: list[Turn] = []
    with ExitStack() as stack:
        stack.enter_context(names.serving())
        replicas = Replicas(
            names, lambda *own: stack.enter_context(run_server(*own)), ("--workers", "1")
        )
        servers = list(replicas.servers.values())
        for _ in range(arguments.turns):
            turns.append(measure(servers[0].address, servers[:1], hashes))
            print(_line(turns[-1]), flush=True)
            turns.append(measure(replicas.target, servers, hashes, *flags))
            print(_line(turns[-1]), flush=True)
    results = _results(turns)
    print(_summary(results))
    results["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    results["machine"] = {"platform": platform.platform(), "cpu": cpu_name(), "bare_rate": rate}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {arguments.json}")
    return 0 if results["speed_up"] >= arguments.at_least else 1


_HEAD = f"{'servers':>7} {'M per CPU s':>12} {'CPU s of each':>20} {'seconds':>8} {'others':>7}"


def _line(turn: Turn) -> str:
    cpu = " ".join(f"{seconds:.2f}" for seconds in turn.cpu)
    return (
        f"{turn.servers:>7} {turn.rate / 1e6:>12.1f} {cpu:>20} {turn.seconds:>8.2f} "
        f"{turn.others:>7.0%}"
    )


def _results(turns: list[Turn]) -> dict[str, Any]:
    """Return the ratios: the median over pairs of turns that followed each other."""
    pairs = list(zip(turns[::2], turns[1::2], strict=True))
    return {
        "shards": SHARDS,
        "ranges": RANGES,
        "speed_up": median(sum(one.cpu) / max(all_.cpu) for one, all_ in pairs),
        "rate_per_cpu_second": median(all_.rate / one.rate for one, all_ in pairs),
        "by_the_clock": median(one.seconds / all_.seconds for one, all_ in pairs),
        "cores": os.cpu_count() or 1,
        "noisy": max(turn.others for turn in turns) > NOISY,
        "turns": [asdict(turn) for turn in turns],
    }


def _summary(results: dict[str, Any]) -> str:
    allowed = min(SHARDS, os.cpu_count() or 1)
    noise = "NOISY: others used the machine, compare with care" if results["noisy"] else "quiet"
    return (
        f"{SHARDS} servers against one: {results['speed_up']:.2f} times as fast with a core for"
        f" each, {results['rate_per_cpu_second']:.2f} of the hashes for a CPU second;\n"
        f"by the clock {results['by_the_clock']:.2f} times, where the cores allow {allowed}."
        f" The machine was {noise}."
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-shards", description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="how often to measure each (3)")
    parser.add_argument(
        "--seconds", type=float, default=6.0, help="CPU seconds of the lone search, about (6)"
    )
    parser.add_argument(
        "--json", type=Path, default=Path(".cache/bench-shards.json"), help="where to write results"
    )
    parser.add_argument("--at-least", type=float, default=0.0, help="the speed-up to insist on")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
