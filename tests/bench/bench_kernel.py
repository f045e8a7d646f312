"""`make bench-kernel`: how many candidates a second each backend searches, beside OpenSSL.

All rates are million candidates per second of CPU time on one thread. Backends are measured in
turns and the best turn of each counts, since other load can only slow a turn down. Ratios are the
medians of the ratios within a turn. Hashcat is measured where it is installed; where there are
AVX-512 and a C compiler, so is the CPU's rate of vector operations, which bounds the kernel.

Exit codes: 0; 1 where the default job misses the ratio of `--at-least`.
"""

import argparse
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from hashfinder.kernel import Kernel, available_backends, load_kernel
from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.query import Query
from tests.bench import kernel_jobs
from tests.bench.kernel_rivals import (
    build_limit,
    has_hashcat,
    hashcat_rate,
    limit_rate,
    openssl_rate,
)
from tests.bench.kernel_versions import against
from tests.bench.machine import CORES
from tests.bench.report import RATIO, Better, Report, run
from tests.bench.results import OVER, SHORT

SCHEMES = (kernel_jobs.DEFAULT, *kernel_jobs.jobs())
CHUNK = 2**17
CAPACITY = 1024
"""Positions and results of one scan, as the scheduler uses them."""
LIMIT = "estimated limit with AVX-512"


@dataclass(frozen=True)
class Shape:
    """A kind of search. A '-' in a name, which no hash contains, means that no result is ideal."""

    name: str
    distance: int
    secret_length: int = 5

    @property
    def label(self) -> str:
        """The label in tables."""
        return f"{self.name}, distance {self.distance}, {self.secret_length} bytes"


SHAPES = (
    *(Shape("doctor", distance) for distance in (0, 1, 2)),
    Shape("doctor", 0, 3),
    Shape("doctor", 0, 4),
    Shape("doctor", 0, 8),
    Shape("who-", 1),
    Shape("doctorwho", 0),
    Shape("doctorwho", 3),
    Shape("abcdefghijklmn", 6),
    Shape("abcdefghijklmnopqrstu", 12),
    Shape("abcdefghijklmnopqrstuvwxyz0=", 16),
    Shape("doctor", 4),  # dense: 27 % of the candidates are results
    Shape("a-", 1),  # dense: 59 %
    Shape("a-", 2),  # dense: all
)


def scan_rate(kernel: Kernel, query: Query, first: int, seconds: float) -> float:
    """Return the candidates of `query` searched per second of CPU time, starting at `first`."""
    scanner = kernel.prepare(query)
    chunk = CHUNK if kernel.backend != "python" else 512
    position = first
    scanner.scan(first, first + 1, 0, CAPACITY)  # not measured: a search's set-up
    began = time.thread_time()
    while (elapsed := time.thread_time() - began) < seconds or position == first:
        stop = position + chunk
        while position < stop:
            position = scanner.scan(position, stop, 0, CAPACITY).stop
    return (position - first) / elapsed


def cliffs(turns: int, seconds: float) -> dict[str, tuple[float, float, str]]:
    """Return each kind's slowest rate, its median rate, and which job is the slowest."""
    kernel = load_kernel(available_backends()[0])
    found = {}
    for kind, members in kernel_jobs.kinds():
        rates = {
            job.label: max(
                scan_rate(kernel, job.query, job.start, seconds / 4) for _ in range(turns)
            )
            for job in members
        }
        slowest = min(rates, key=lambda label: rates[label])
        found[kind] = (rates[slowest], median(rates.values()), slowest)
    return found


def scaling(turns: int, seconds: float) -> dict[str, list[float]]:
    """Return how many times the rate of one worker all cores reach, by CPU time and by the clock.

    On a shared machine the rate by the clock depends on other load. The rate per CPU second, times
    the workers, shows whether workers slow each other down.
    """
    kernel = load_kernel(available_backends()[0])
    default = kernel_jobs.DEFAULT
    ratios: dict[str, list[float]] = {"by CPU time": [], "by the clock": []}
    for _ in range(turns):
        by_cpu, by_clock = [], []
        for count in (1, CORES):
            cpu: list[float] = []

            def work(rates: list[float] = cpu) -> None:
                rates.append(scan_rate(kernel, default.query, default.start, seconds))

            threads = [threading.Thread(target=work) for _ in range(count)]
            began = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            by_cpu.append(sum(cpu))
            by_clock.append(seconds * sum(cpu) / (time.monotonic() - began))
        ratios["by CPU time"].append(by_cpu[1] / by_cpu[0])
        ratios["by the clock"].append(by_clock[1] / by_clock[0])
    return ratios


def rates(
    turns: int, seconds: float, limit: Path | None, report: Report
) -> dict[tuple[str, str], list[float]]:
    """Return the rates of each job and backend, and of other programs, one value per turn."""
    jobs: dict[tuple[str, str], Callable[[], float]] = {}
    for backend in available_backends():
        kernel = load_kernel(backend)
        for shape in SHAPES:
            first = Keyspace().first_position(shape.secret_length)
            first += (1 << 8 * shape.secret_length) // 3
            query = Query(shape.name, 0, shape.distance)
            jobs[shape.label, backend] = partial(scan_rate, kernel, query, first, seconds)
        for scheme in SCHEMES:
            jobs[scheme.label, backend] = partial(
                scan_rate, kernel, scheme.query, scheme.start, seconds
            )
    if shutil.which("openssl"):
        jobs[SHORT, "OpenSSL"] = openssl_rate
    else:
        report.missing.append("OpenSSL: openssl is not installed")
    if has_hashcat():
        jobs[SHORT, "hashcat"] = hashcat_rate
    else:
        report.missing.append("hashcat: it needs hashcat, pocl-opencl-icd and ocl-icd-libopencl1")
    if limit:
        jobs[SHORT, LIMIT] = partial(limit_rate, limit)
    else:
        report.missing.append(f"{LIMIT}: this CPU has none, or there is no C compiler")
    found: dict[tuple[str, str], list[float]] = {job: [] for job in jobs}
    for turn in range(turns):
        print(f"Turn {turn + 1} of {turns}", file=sys.stderr, flush=True)
        for job, rate in jobs.items():
            found[job].append(rate())
    return found


def measure(report: Report, arguments: argparse.Namespace) -> None:
    """Measure everything that the command line asks for."""
    turns, seconds = arguments.turns, arguments.seconds
    with tempfile.TemporaryDirectory() as folder:
        found = rates(turns, seconds, build_limit(folder), report)
    for (job, who), values in found.items():
        better = Better.NEITHER if job == SHORT else Better.HIGHER
        report.add(job, who, "M/s", better, *(each / 1e6 for each in values), best=True)
    fastest, default = available_backends()[0], kernel_jobs.DEFAULT.label
    for who in report.named(SHORT):
        pairs = zip(found[default, fastest], found[SHORT, who], strict=True)
        report.add(OVER, who, RATIO, Better.HIGHER, *(ours / theirs for ours, theirs in pairs))
    for scheme in SCHEMES[1:]:
        for backend in available_backends():
            pairs = zip(found[scheme.label, backend], found[default, backend], strict=True)
            name = f"{scheme.label}, of the default job"
            report.add(name, backend, RATIO, Better.HIGHER, *(mine / its for mine, its in pairs))
    for how, ratios in scaling(turns, 5 * seconds).items():
        better = Better.HIGHER if "CPU" in how else Better.NEITHER
        report.add(f"{CORES} workers, times one", how, RATIO, better, *ratios)
    _measure_on_request(report, arguments)


def _measure_on_request(report: Report, arguments: argparse.Namespace) -> None:
    """Measure what takes minutes longer, and compare the ratio with --at-least."""
    turns, seconds, fastest = arguments.turns, arguments.seconds, available_backends()[0]
    if arguments.cliffs:
        for kind, (low, middle, label) in cliffs(turns, seconds).items():
            name = f"{kind}: the slowest, {label}"
            report.add(name, fastest, "M/s", Better.HIGHER, low / 1e6)
            report.add(name, "of the median", RATIO, Better.HIGHER, low / middle)
    if arguments.against:
        for backend, ratio in against(arguments.against, turns, 5 * seconds).items():
            report.add(f"times {arguments.against}", backend, RATIO, Better.HIGHER, ratio)
    openssl = report.named(OVER).get("OpenSSL")
    if arguments.at_least and (openssl is None or openssl.value < arguments.at_least):
        report.faults.append(f"the ratio to OpenSSL is below {arguments.at_least}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="how often to measure each (5)")
    parser.add_argument("--seconds", type=float, default=0.1, help="of a turn, for each cell (0.1)")
    parser.add_argument("--cliffs", action="store_true", help="measure the worst of each kind, too")
    parser.add_argument("--against", metavar="REVISION", help="measure that version, too")
    parser.add_argument("--at-least", type=float, help="the ratio to OpenSSL to insist on")
    return parser


if __name__ == "__main__":
    sys.exit(run("kernel", measure, _parser()))
