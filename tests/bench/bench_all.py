"""`make bench`: run all benches, then report regressions and write the page and its plots.

Each part is a program of its own with a time limit. If a part fails or is stopped, its partial
figures stay in .cache/bench and the page keeps that part's figures of the run before. Figures are
compared with the last committed run of the same CPU. Without one, only ratios are compared, with
the newest run of another CPU.

Exit codes: 0; 1 where a part did not complete.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.bench import compare
from tests.bench.machine import description
from tests.bench.report import FOLDER
from tests.bench.results import RESULTS, ROOT, path_of
from tests.bench.rows import Report, read, write

PARTS = {
    "kernel": (300, "--turns", "5"),
    "stops": (360,),
    "small": (240,),
    "security": (240,),
    "hops": (300, "--rounds", "60"),
    "scale": (300, "--turns", "2"),
    "vanity": (240, "--turns", "3", "--runs", "15"),
}
"""Each part's time limit in seconds, longer than it needs on a quiet machine, and its flags."""
MOST_SECONDS = 1500.0
"""The time limit of all parts together, in seconds."""
PATIENCE_SECONDS = 20.0
"""Seconds between SIGTERM and SIGKILL, in which a part stops its servers."""


def measure(command: list[str], output: Path, seconds: float) -> Report | None:
    """Run a part that writes its report to `output`; return the report.

    Returns:
        None where the part failed or took longer than `seconds`.
    """
    output.unlink(missing_ok=True)
    process = subprocess.Popen(command, start_new_session=True)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        print(f"Stopped after {seconds:.0f} s", file=sys.stderr)
    finally:
        _end(process)
    if not output.exists():
        return None
    report = read(output.read_text(encoding="utf-8"))[0]
    return report if report.complete else None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Stop a part and every process that it started."""
    process.send_signal(signal.SIGTERM)  # no signal is sent if it has ended
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def committed(cpu: str) -> list[Report]:
    """Return the last committed run of this CPU, else the newest of any CPU, else an empty list."""
    names = _git("ls-tree", "--name-only", "HEAD", f"{RESULTS.relative_to(ROOT)}/").splitlines()
    runs = [read(_git("show", f"HEAD:{name}")) for name in names if name.endswith(".json")]
    runs.sort(key=lambda run: (run[0].machine["cpu"] == cpu, max(each.at for each in run)))
    return runs[-1] if runs else []


def _git(*words: str) -> str:
    command = ["git", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main() -> int:
    """Run all parts, compare them with the last run, write the page."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts")
    parts = parser.parse_args().only
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # no part outlives this process
    began, machine = time.monotonic(), description()
    path = path_of(machine["cpu"])
    reports = {each.part: each for each in read(path.read_text())} if path.exists() else {}
    measured, failed = [], []
    for part in parts:
        print(f"\n=== {part}", flush=True)
        seconds, *flags = PARTS[part]
        bound = max(1.0, min(float(seconds), began + MOST_SECONDS - time.monotonic()))
        output = FOLDER / f"{part}.json"
        command = [sys.executable, "-m", f"tests.bench.bench_{part}", *map(str, flags)]
        if report := measure([*command, "--json", str(output)], output, bound):
            measured.append(report)
        else:
            failed.append(part)
    reports |= {each.part: each for each in measured}
    write(path, [reports[part] for part in PARTS if part in reports])
    _summary(measured, failed, committed(machine["cpu"]))
    print(f"{time.monotonic() - began:.0f} s in all. Written to {path.relative_to(ROOT)}")
    return 1 if failed else 0


def _summary(measured: list[Report], failed: list[str], before: list[Report]) -> None:
    print("\n=== All parts")
    for report in measured:
        print(report.part, *report.remarks(), sep="\n  ")
    for part in failed:
        print(f"{part}\n  FAILED: what it had measured is in {FOLDER / part}.json")
    changes = compare.worse(before, measured)
    head = f"Worse than {before[0].revision} ({before[0].at})" if before else "Nothing to compare"
    print(f"\n{head}: {len(changes)} figures", *changes, sep="\n  ")


if __name__ == "__main__":
    sys.exit(main())
