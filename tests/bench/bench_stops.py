"""`make bench-stops`: what happens after a cancel, and who gets the CPU, against two usual designs.

Prints a table and writes a JSON file. Every number of a design compares with those of the others in
the same run alone: how much of the machine others used meanwhile stands beside it.

Exit codes: 0; 1 where a search of ours did not stop, or left something behind.
"""

import argparse
import asyncio
import json
import math
import os
import platform
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from hashfinder.kernel import load_kernel
from hashfinder.runtime.cores import usable_cores
from tests.bench.cells import Cell, Storm, Times, measure_cell, measure_storm
from tests.bench.delivery import Delivery, measure_delivery
from tests.bench.machine import bare_rate, cpu_name

OURS = "fair-chunks"
DESIGNS = (OURS, "thread-per-rpc", "to-thread")
NOISY = 0.05
"""The part of the machine that others may use before the numbers are called noisy."""
BARE_SECONDS = 0.5
STORMS = 4
"""Of ours: so many that the 99th percentile for health is not its worst answer."""


async def main() -> int:
    """Measure, print, write."""
    arguments = _arguments()
    kernel = load_kernel()
    levels = (8, 64) if arguments.quick else (1, 8, 64, 512)
    times = Times(0.3, 1.0, 12) if arguments.quick else Times(0.7, 2.5, 40)
    storm = 500 if arguments.quick else 3000
    workers = usable_cores()
    print(f"{kernel.backend}, {workers} workers, {os.cpu_count()} cores, {platform.platform()}")
    bare: list[float] = []
    cells: list[Cell] = []
    print(CELL_HEAD, flush=True)
    for searches in levels:
        for design in DESIGNS:
            bare.append(bare_rate(kernel, workers, BARE_SECONDS) / 1e6)
            cells.append(await measure_cell(design, searches, times))
            print(cell_line(cells[-1], bare[-1]), flush=True)
    storms: list[Storm] = []
    print(f"\nA storm: {storm} searches opened, then all cancelled\n{STORM_HEAD}", flush=True)
    for design in DESIGNS[:1] if arguments.quick else DESIGNS:
        storms.append(await measure_storm(design, storm, STORMS if design == OURS else 1))
        print(storm_line(storms[-1]), flush=True)
    streams, seconds = (20, 1.5) if arguments.quick else (100, 5.0)
    print(f"\nDelivery: a dense stream beside 1 and {streams} of another client\n{DELIVERY_HEAD}")
    deliveries: list[Delivery] = []
    for design in DESIGNS:
        deliveries.append(await measure_delivery(design, streams, seconds))
        print(delivery_line(deliveries[-1]), flush=True)
    print(*_remarks(cells, storms, bare), sep="\n")
    results = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"platform": platform.platform(), "cores": os.cpu_count(), "cpu": cpu_name()},
        "kernel": kernel.backend,
        "workers": workers,
        "cells": [
            {**asdict(cell), "bare_rate_per_cpu": rate}
            for cell, rate in zip(cells, bare, strict=True)
        ],
        "storms": [asdict(each) for each in storms],
        "deliveries": [{**asdict(each), "kept": each.kept} for each in deliveries],
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(_rounded(results), indent=1) + "\n", encoding="utf-8")
    print(f"Written to {arguments.json}")
    ours = [cell for cell in cells if cell.design == OURS]
    sound = all(cell.freed == cell.cancelled for cell in ours) and storms[0].clean
    return 0 if sound else 1


CELL_HEAD = (
    f"\n{'searches':>8} {'design':<14} {'begun':>6} {'Jain':>6} {'free ms p50':>12} {'p99':>7} "
    f"{'freed':>6} {'health ms p50':>14} {'p99':>7} {'M/s':>6} {'/ bare':>7} {'in kernel':>10} "
    f"{'others':>7}"
)
STORM_HEAD = (
    f"{'design':<14} {'begun':<19} {'running':>7} {'all free ms':<17} {'free ms p50':>12} "
    f"{'p99':>7} {'health ms p50':>14} {'p99':>7} {'tasks':>6} {'threads':>8} {'others':>7} "
    " RSS MiB"
)
DELIVERY_HEAD = f"{'design':<14} {'beside 1':>10} {'beside many':>12} {'kept':>6} {'others':>7}"
LEGEND = """
free: from the client's cancel until handler and last scan have ended. / bare: hashes a CPU second
of the whole process, against the kernel alone just before. in kernel: the part of that CPU time
which is the kernel's. others: the part of the machine that others used meanwhile."""


def cell_line(cell: Cell, bare: float) -> str:
    """Return a line of the table."""
    return (
        f"{cell.searches:>8} {cell.design:<14} {cell.begun:>6} {cell.jain:>6.4f} "
        f"{cell.free_p50:>12.1f} {cell.free_p99:>7.1f} {f'{cell.freed}/{cell.cancelled}':>6} "
        f"{cell.health_p50:>14.1f} {cell.health_p99:>7.1f} {cell.rate:>6.0f} "
        f"{cell.rate_per_cpu / bare:>7.3f} {cell.kernel_share:>10.3f} {cell.others:>7.0%}"
    )


def storm_line(storm: Storm) -> str:
    """Return a line of the table."""
    begun = "+".join(str(each) for each in storm.begun)
    after = "+".join(f"{each:.0f}" for each in storm.all_free_after)
    return (
        f"{storm.design:<14} {begun:<19} {storm.running:>7} {after:<17} {storm.free_p50:>12.1f} "
        f"{storm.free_p99:>7.1f} {storm.health_p50:>14.1f} {storm.health_p99:>7.1f} "
        f"{storm.tasks_left:>6} {storm.threads_left:>8} {storm.others:>7.0%}  {storm.rss}"
    )


def delivery_line(delivery: Delivery) -> str:
    """Return a line of the table."""
    return (
        f"{delivery.design:<14} {delivery.beside_one:>8.0f}/s {delivery.beside_many:>10.0f}/s "
        f"{delivery.kept:>6.0%} {delivery.others:>7.0%}"
    )


def _remarks(cells: list[Cell], storms: list[Storm], bare: list[float]) -> Iterable[str]:
    yield LEGEND
    others = [cell.others for cell in cells] + [storm.others for storm in storms]
    noisy = sum(part > NOISY for part in others)
    swing = max(bare) / min(bare)
    if noisy or swing > 1 + 2 * NOISY:
        yield (
            f"THE MACHINE WAS NOISY: others used more than {NOISY:.0%} of it in {noisy} of "
            f"{len(others)} measurements, and the bare kernel's own rate swung by "
            f"{swing:.2f}x. Compare within a level; repeat on a quiet machine."
        )
    else:
        yield "The machine was quiet."


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None  # JSON has no nan
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-stops", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter measurements")
    parser.add_argument(
        "--json", type=Path, default=Path(".cache/bench-stops.json"), help="where to write results"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
