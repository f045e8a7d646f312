"""The common frame of every bench: parse, watch the machine, measure, print, write."""

import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from tests.bench.machine import CpuTimes, description
from tests.bench.rows import RATIO, Better, Report, percentile, write

__all__ = ["FOLDER", "RATIO", "Better", "Report", "percentile", "run"]

FOLDER = Path(".cache/bench")


def run(part: str, measure: Callable[[Report, Namespace], None], parser: ArgumentParser) -> int:
    """Measure, print, write; return the exit code: 1 if a requirement is not met.

    What was measured before an exception or SIGTERM is printed and written as well.
    """
    output = FOLDER / f"{part}.json"
    parser.prog = f"make bench-{part}"
    parser.add_argument("--json", type=Path, default=output, help=f"where to write ({output})")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped before its end"))
    report = _begin(part)
    print("; ".join(f"{name} {value}" for name, value in report.machine.items()), flush=True)
    cpu = CpuTimes.now()
    try:
        measure(report, arguments)
        report.complete = True
    except BaseException as error:
        report.faults.append(f"{type(error).__name__}: {error}"[:300])
        raise
    finally:
        now = CpuTimes.now()
        report.seconds, report.others = now.at - cpu.at, now.others_since(cpu)
        for table in report.tables():
            print("", *_aligned(table), sep="\n")
        print("", *report.remarks(), sep="\n")
        write(arguments.json, [report])
        print(f"Written to {arguments.json}")
    return 1 if report.faults else 0


def _begin(part: str) -> Report:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Report(part, at, done.stdout.strip() or "unknown", description())


def _aligned(table: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]
