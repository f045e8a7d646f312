"""`make bench-stops`: how fast a cancel frees the CPU, how fairly it is shared, in three designs.

A cancel is complete when the handler and the last scan have ended. The hash rate is per CPU second
of the whole process, divided by the bare kernel's rate just before. Compare the designs' figures
only within one run.

Exit codes: 0; 1 where one of our searches did not stop or left something behind.
"""

import argparse
import asyncio
import sys
from operator import attrgetter

from hashfinder.kernel import load_kernel
from hashfinder.runtime.cores import usable_cores
from tests.bench.cells import Cell, Storm, Times, measure_cell, measure_storm
from tests.bench.delivery import measure_delivery
from tests.bench.machine import bare_rate
from tests.bench.report import RATIO, Better, Report, run
from tests.bench.results import JAIN, RATE

OURS = "fair-chunks"
DESIGNS = (OURS, "thread-per-rpc", "to-thread")
BARE_SECONDS = 0.5
ROUNDS = STORMS = 4
"""For HashFinder, whose latencies are compared with the run before: their spread is known."""
CELL = (
    ("cancel to free, p50", "ms", Better.LOWER, "latencies.free_p50"),
    ("cancel to free, p99", "ms", Better.LOWER, "latencies.free_p99"),
    ("health check, p50", "ms", Better.LOWER, "latencies.health_p50"),
    ("health check, p99", "ms", Better.LOWER, "latencies.health_p99"),
    (JAIN, RATIO, Better.HIGHER, "jain"),
    ("CPU time that is the kernel's", RATIO, Better.HIGHER, "kernel_share"),
    ("hash rate", "M/s", Better.HIGHER, "rate"),
    ("searches that began", "searches", Better.HIGHER, "begun"),
    ("cancelled searches that were not free in time", "searches", Better.LOWER, "stuck"),
)
STORM = (
    ("all free", "ms", Better.LOWER, "all_free_after"),
    ("cancel to free, p50", "ms", Better.LOWER, "latencies.free_p50"),
    ("cancel to free, p99", "ms", Better.LOWER, "latencies.free_p99"),
    ("health check, p50", "ms", Better.LOWER, "latencies.health_p50"),
    ("health check, p99", "ms", Better.LOWER, "latencies.health_p99"),
    ("most memory", "MiB", Better.LOWER, "most_rss"),
    ("searches that began", "searches", Better.HIGHER, "begun"),
    ("searches, tasks and threads left behind", "left", Better.LOWER, "left"),
)


def _add(
    report: Report,
    title: str,
    design: str,
    columns: tuple[tuple[str, str, Better, str], ...],
    measured: Cell | Storm,
) -> None:
    """Add a row for each column of `measured`."""
    for name, unit, better, attribute in columns:
        values = attrgetter(attribute)(measured)
        its = better if design == OURS else Better.NEITHER
        many = values if isinstance(values, list) else [values]
        report.add(f"{title}: {name}", design, unit, its, *many)


async def _measure(report: Report, *, quick: bool) -> None:
    kernel, workers = load_kernel(), usable_cores()
    times = Times(0.3, 1.0, 12) if quick else Times(0.7, 2.5, 40)
    for searches in (8, 64) if quick else (1, 8, 64, 512):
        title = f"{searches} searches" if searches > 1 else "1 search"
        for design in DESIGNS:
            bare = bare_rate(kernel, workers, BARE_SECONDS) / 1e6
            cell = await measure_cell(design, searches, times, ROUNDS if design == OURS else 1)
            print(f"{title}, {design}", file=sys.stderr, flush=True)
            _add(report, title, design, CELL, cell)
            better = Better.HIGHER if design == OURS else Better.NEITHER
            name = f"{title}: {RATE}"
            report.add(name, design, RATIO, better, cell.rate_per_cpu / bare)
            if design == OURS and cell.stuck:
                report.faults.append(f"{title}: {cell.stuck} were not free in time")
    storm = 500 if quick else 3000
    for design in DESIGNS[:1] if quick else DESIGNS:
        measured = await measure_storm(design, storm, STORMS if design == OURS else 1)
        print(f"storm, {design}", file=sys.stderr, flush=True)
        _add(report, f"{storm:,} opened, then all cancelled", design, STORM, measured)
        if design == OURS and measured.left > 0:
            report.faults.append(f"the storm left {measured.left} behind")
    streams, seconds = (20, 1.5) if quick else (100, 5.0)
    for design in DESIGNS:
        delivery = await measure_delivery(design, streams, seconds)
        better = Better.HIGHER if design == OURS else Better.NEITHER
        title = "results of a dense stream"
        report.add(f"{title} beside 1 of another client", design, "/s", better, delivery.beside_one)
        name = f"{title} beside {streams}"
        report.add(name, design, "/s", better, delivery.beside_many)
        report.add(f"{name}, of that beside 1", design, RATIO, better, delivery.kept)


def measure(report: Report, arguments: argparse.Namespace) -> None:
    """Measure all designs under each load."""
    asyncio.run(_measure(report, quick=arguments.quick))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter measurements")
    return parser


if __name__ == "__main__":
    sys.exit(run("stops", measure, _parser()))
