"""`make bench-vanity`: a vanity commit, beside lucky-commit and by the clock.

First the CPU seconds for 2^28 hashes. `lucky_commit --benchmark` hashes its own commit that often
and finds nothing. A server hashes the same commit as often, with each kernel, with the free bytes
in a header, where `git-vanity` puts them unless told otherwise. lucky-commit's are always at the
end of the message: with AVX2 that place is measured as well. Then a message that makes each
candidate five blocks long; lucky-commit's time stays the same. All cases are measured one after
another, several times. The least time of each counts, since other programs can only add to it.

Then the wall time of `hashfinder git-vanity` for seven hex digits, the program's start included,
on a running server and on a private one.

Exit codes: 0; 1 where a ratio or the time misses its target.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median

from hashfinder.kernel import available_backends
from hashfinder_cli.jobs.commit import Commit, Place, Template
from hashfinder_client import BudgetSpentError, Finder, Query
from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme
from tests.bench.machine import cpu_seconds
from tests.bench.report import RATIO, Better, Report, run
from tests.integration.server_process import ServerProcess, run_server

HASHES = 2**28
HOPELESS = "0" * 10
"""Not found in 2^28 hashes, except with a chance of 1 in 4096."""
COMMIT = b"""\
tree 6f4e79123e206448f80ec73b9a53e07eb0784fef
author Foo Bar <foo@example.com> 1611912738 -0500
committer Foo Bar <foo@example.com> 1611912738 -0500

Test commit for benchmarking performance changes
"""
"""The commit of `lucky_commit --benchmark`, version 2.2.5."""
LONG_MESSAGE = b"x" * 69 + b"\n"
BLOCKS = 5
DIGITS = 7
LUCKY, AVX2, FIVE = "lucky-commit", "native-avx2", "five blocks"
SAME_PLACE = f"{AVX2}, in the message"
RUNNING, PRIVATE = "a server that runs", "a private server"
TARGETS = {"avx512": 10.0, SAME_PLACE: 4.0, FIVE: 2.5}
"""How many times fewer CPU seconds than lucky-commit, and for AVX2 with its place of free bytes."""
MOST_SECONDS = 1.0
"""The target for the median of the wall time on a running server, in seconds."""


def lucky_commit(program: str) -> Callable[[], float]:
    """Return a function that runs lucky-commit's benchmark and returns its CPU seconds."""

    def run() -> float:
        before = os.times()
        subprocess.run([program, "--benchmark"], check=True, capture_output=True)
        after = os.times()
        user = after.children_user - before.children_user
        return user + after.children_system - before.children_system

    return run


def ours(server: ServerProcess, template: Template) -> Callable[[], float]:
    """Return a function that searches as many positions and returns the server's CPU seconds."""
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
    """Return the same commit with a longer message behind the free bytes in a header."""
    message = Commit.parse(COMMIT)
    while (template := message.template(Place.HEADER)).blocks < BLOCKS:
        message = Commit(message.headers, message.message + LONG_MESSAGE)
    return template


def wall_times(server: ServerProcess, runs: int, seed: int) -> dict[str, list[float]]:
    """Return the wall seconds of `runs` commits for seven digits each, on each kind of server."""
    source = random.Random(seed)  # noqa: S311  # patterns, no secrets
    with tempfile.TemporaryDirectory() as folder:
        git = ["git", "-C", folder, "-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run([*git, "init", "--quiet"], check=True)
        seconds: dict[str, list[float]] = {RUNNING: [], PRIVATE: []}
        for number in range(runs):
            message = f"--message=Change number {number}"
            subprocess.run([*git, "commit", "--quiet", "--allow-empty", message], check=True)
            pattern = f"{source.randrange(16**DIGITS):0{DIGITS}x}"
            for where, flags in (
                (RUNNING, ["--server", server.address]),
                (PRIVATE, ["--local"]),
            ):
                command = [sys.executable, "-m", "hashfinder_cli", "git-vanity", pattern, *flags]
                began = time.monotonic()
                subprocess.run([*command, "--repo", folder], check=True, capture_output=True)
                seconds[where].append(time.monotonic() - began)
    return seconds


def measure(report: Report, arguments: argparse.Namespace) -> None:
    """Measure everything and compare it with the targets."""
    commit = Commit.parse(COMMIT)
    template = commit.template(Place.HEADER)
    cpu: dict[str, list[float]] = {}
    with ExitStack() as stack:
        best = stack.enter_context(run_server())
        runs = {best.kernel: ours(best, template), FIVE: ours(best, five_blocks())}
        if AVX2 in available_backends():
            server = stack.enter_context(run_server("--kernel", AVX2))
            runs[AVX2] = ours(server, template)
            runs[SAME_PLACE] = ours(server, commit.template(Place.MESSAGE))
        if lucky := shutil.which("lucky_commit"):
            runs[LUCKY] = lucky_commit(lucky)
        else:
            report.missing.append("lucky-commit is not installed: it needs cargo")
        for turn in range(arguments.turns):
            print(f"Turn {turn + 1} of {arguments.turns}", file=sys.stderr, flush=True)
            for what, once in runs.items():
                cpu.setdefault(what, []).append(once())
        walls = wall_times(best, arguments.runs, arguments.seed)
    _report_cpu(report, cpu)
    for where, seconds in walls.items():
        report.add(f"{DIGITS} hex digits by the clock", where, "s", Better.LOWER, *seconds)
    if median(walls[RUNNING]) > MOST_SECONDS:
        report.faults.append(f"{DIGITS} hex digits take more than {MOST_SECONDS} s at the median")


def _report_cpu(report: Report, cpu: dict[str, list[float]]) -> None:
    """Add the CPU seconds, and the ratio to lucky-commit's, which has a target."""
    for what, seconds in cpu.items():
        better = Better.NEITHER if what == LUCKY else Better.LOWER
        report.add("2^28 hashes of a commit", what, "CPU s", better, *seconds, best=True)
    for what, seconds in cpu.items():
        if LUCKY in cpu and what != LUCKY:
            ratios = [their / our for their, our in zip(cpu[LUCKY], seconds, strict=True)]
            report.add("lucky-commit's CPU time, times ours", what, RATIO, Better.HIGHER, *ratios)
            target = TARGETS.get("avx512" if "avx512" in what else what, 0.0)
            if median(ratios) < target:
                report.faults.append(
                    f"{what}: {median(ratios):.1f} times lucky-commit, not {target}"
                )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="how often to measure each (3)")
    parser.add_argument("--runs", type=int, default=25, help="how many commits by the clock (25)")
    parser.add_argument("--seed", type=int, default=15, help="of the patterns (15)")
    return parser


if __name__ == "__main__":
    sys.exit(run("vanity", measure, _parser()))
