"""`make bench-vanity`: a vanity commit, beside lucky-commit and by the clock.

First the CPU seconds for 2^28 hashes. `lucky_commit --benchmark` hashes a commit of its own that
often and finds nothing. A server does the same with the same commit, in each kernel, and with a
message that makes five blocks of each candidate (free bytes in a header; lucky-commit's are always
at the end of the message, so that its time stays). The CPU is that of the server. All are measured
one after another, several times; the least of each counts, since other programs only add to it.

Then the wall time of `hashfinder git-vanity` for seven hex digits, program start included, on a
server that runs and with a private one.

Exit codes: 0; 1 where a ratio or the time is worse than `TARGETS`, or lucky-commit is missing.
"""

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from hashfinder.kernel import available_backends, load_kernel
from hashfinder_cli.jobs.commit import Commit, Place, Template
from hashfinder_client import BudgetSpentError, Finder, Query
from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme
from tests.bench.machine import CpuTimes, cpu_name, cpu_seconds
from tests.integration.server_process import ServerProcess, run_server

HASHES = 2**28
HOPELESS = "0" * 10
"""Not found in 2^28 hashes, but for a chance of 1 in 4096."""
COMMIT = b"""\
tree 6f4e79123e206448f80ec73b9a53e07eb0784fef
author Foo Bar <foo@example.com> 1611912738 -0500
committer Foo Bar <foo@example.com> 1611912738 -0500

Test commit for benchmarking performance changes
"""
"""The one of `lucky_commit --benchmark`, version 2.2.5."""
LONG_MESSAGE = b"x" * 69 + b"\n"
BLOCKS = 5
DIGITS = 7
TARGETS = {"avx512": 10.0, "avx2": 4.0, "five_blocks": 2.5, "seconds": 1.0}
"""How many times fewer CPU seconds; and the median of the wall time on a server that runs."""
NOISY = 0.05
"""The part of the machine that others may use before the numbers are called noisy."""


@dataclass(frozen=True)
class Turn:
    """2^28 hashes."""

    what: str
    cpu: float
    """Seconds."""
    others: float
    """The part of the machine that others used meanwhile."""


def lucky_commit(program: str) -> Callable[[], float]:
    """Return what runs its benchmark and returns the CPU seconds."""

    def run() -> float:
        before = os.times()
        subprocess.run([program, "--benchmark"], check=True, capture_output=True)
        after = os.times()
        user = after.children_user - before.children_user
        return user + after.children_system - before.children_system

    return run


def ours(server: ServerProcess, template: Template) -> Callable[[], float]:
    """Return what searches as many positions of `template` and returns the server's CPU seconds."""
    query = Query(
        HOPELESS,
        maximum_hashes=HASHES,
        scheme=Scheme(Algorithm.SHA1, Encoding.HEX, Anchor.START),
        keyspace=Keyspace(template.alphabet, template.length),
        secret_prefix=template.prefix,
        secret_suffix=template.suffix,
    )

    def run() -> float:
        before = cpu_seconds(server.process.pid)
        with Finder(server.address) as finder:
            try:
                finder.find(query)
            except BudgetSpentError as error:
                if error.hashes != HASHES:
                    raise
        return cpu_seconds(server.process.pid) - before

    return run


def five_blocks() -> Template:
    """Return the same commit with a longer message, behind free bytes in a header."""
    message = Commit.parse(COMMIT)
    while (template := message.template(Place.HEADER)).blocks < BLOCKS:
        message = Commit(message.headers, message.message + LONG_MESSAGE)
    return template


def measured(what: str, run: Callable[[], float]) -> Turn:
    """Run and watch the machine."""
    machine, began = CpuTimes.now(), time.monotonic()
    cpu = run()
    seconds = time.monotonic() - began
    others = (CpuTimes.now().others_since(machine)) / (seconds * (os.cpu_count() or 1))
    return Turn(what, cpu, others)


def wall_times(server: ServerProcess, runs: int, seed: int) -> dict[str, list[float]]:
    """Return the wall seconds of as many commits for seven digits each, by where they search."""
    source = random.Random(seed)  # noqa: S311  # patterns, no secrets
    with tempfile.TemporaryDirectory() as folder:
        git = ["git", "-C", folder, "-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run([*git, "init", "--quiet"], check=True)
        seconds: dict[str, list[float]] = {"running_server": [], "private_server": []}
        for number in range(runs):
            message = f"--message=Change number {number}"
            subprocess.run([*git, "commit", "--quiet", "--allow-empty", message], check=True)
            pattern = f"{source.randrange(16**DIGITS):0{DIGITS}x}"
            for where, flags in (
                ("running_server", ["--server", server.address]),
                ("private_server", ["--local"]),
            ):
                command = [sys.executable, "-m", "hashfinder_cli", "git-vanity", pattern, *flags]
                began = time.monotonic()
                subprocess.run([*command, "--repo", folder], check=True, capture_output=True)
                seconds[where].append(time.monotonic() - began)
    return seconds


def main() -> int:
    """Measure, print, write."""
    arguments = _arguments()
    kernel = load_kernel().backend
    print(f"{kernel}, {os.cpu_count()} cores, {cpu_name()}", flush=True)
    lucky = shutil.which(arguments.lucky_commit)
    if lucky is None:
        print("lucky-commit is missing: cargo install lucky_commit --no-default-features --locked")
    template = Commit.parse(COMMIT).template()
    turns: list[Turn] = []
    with run_server() as best, run_server("--kernel", "native-avx2") as avx2:
        runs = {
            "ours": ours(best, template),
            "ours, avx2": ours(avx2, template),
            "ours, five blocks": ours(best, five_blocks()),
        }
        if lucky:
            runs = {"lucky-commit": lucky_commit(lucky)} | runs
        for _ in range(arguments.turns):
            for what, run in runs.items():
                turns.append(measured(what, run))
                line = f"{what:<18} {turns[-1].cpu:>6.2f} CPU s"
                print(f"{line} for 2^28 hashes; others {turns[-1].others:.0%}", flush=True)
        walls = wall_times(best, arguments.runs, arguments.seed)
    results = _results(turns, walls, arguments.seed, kernel)
    print(_summary(results))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {arguments.json}")
    return 0 if _is_met(results) else 1


def _results(
    turns: list[Turn], walls: dict[str, list[float]], seed: int, kernel: str
) -> dict[str, Any]:
    cpu: dict[str, list[float]] = {}
    for turn in turns:
        cpu.setdefault(turn.what, []).append(turn.cpu)
    ratios = {}
    for name, what in (
        ("avx512", "ours"),
        ("avx2", "ours, avx2"),
        ("five_blocks", "ours, five blocks"),
    ):
        theirs = cpu.get("lucky-commit")
        ratios[name] = min(theirs) / min(cpu[what]) if theirs else None
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"platform": platform.platform(), "cpu": cpu_name(), "cores": os.cpu_count()},
        "kernel": kernel,
        "seed": seed,
        "noisy": min(turn.others for turn in turns) > NOISY,
        "cpu_seconds": {what: min(seconds) for what, seconds in cpu.items()},
        "times_fewer": ratios,
        "wall_seconds": {
            where: dict(zip(("p25", "p50", "p75"), quantiles(seconds, n=4), strict=True))
            for where, seconds in walls.items()
        },
        "turns": [asdict(turn) for turn in turns],
    }


def _summary(results: dict[str, Any]) -> str:
    lines = [
        f"{name:<14} {'not measured' if ratio is None else f'{ratio:.1f} times fewer CPU seconds'}"
        f" than lucky-commit; the target is {TARGETS[name]}"
        for name, ratio in results["times_fewer"].items()
    ]
    lines += [
        f"{DIGITS} hex digits, {where.replace('_', ' ')}: {times['p50']:.2f} s by the clock at the"
        f" median (half of them {times['p25']:.2f} to {times['p75']:.2f})"
        for where, times in results["wall_seconds"].items()
    ]
    noise = "NOISY: others used the machine" if results["noisy"] else "quiet"
    return "\n".join([*lines, f"The machine was {noise}. The seed was {results['seed']}."])


def _is_met(results: dict[str, Any]) -> bool:
    ratios = results["times_fewer"]
    is_fast = results["wall_seconds"]["running_server"]["p50"] < TARGETS["seconds"]
    return is_fast and all(ratios[name] and ratios[name] >= TARGETS[name] for name in ratios)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-vanity", description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="how often to measure each (3)")
    parser.add_argument("--runs", type=int, default=25, help="how many commits by the clock (25)")
    parser.add_argument("--seed", type=int, default=15, help="of the patterns (15)")
    parser.add_argument(
        "--lucky-commit", default="lucky_commit", help="the program to compare with"
    )
    parser.add_argument(
        "--json", type=Path, default=Path(".cache/bench-vanity.json"), help="where to write results"
    )
    arguments = parser.parse_args()
    if "native-avx2" not in available_backends():
        parser.error("this CPU has no AVX2, or the kernel in C is not built")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
