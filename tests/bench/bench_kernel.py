"""`make bench-kernel`: how many candidates a second each backend searches, beside OpenSSL.

All rates are per second of CPU time on one thread. Everything is measured in turns, and the best
turn of each counts: what others do on the machine slows down all alike, and the best turns are
those that it slowed down least. Hashcat is measured as well where it is installed, and where there
are AVX-512 and a C compiler, how many vector operations the CPU does: the limit of the kernel.
The schemes of `kernel_jobs` are shown as ratios to the default job. Writes the numbers as JSON.

Exit codes: 0; 1 where the fastest backend misses the ratio that `--at-least` asks for.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
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

SCHEMES = (kernel_jobs.DEFAULT, *kernel_jobs.jobs())
CHUNK = 2**17
CAPACITY = 1024
"""Positions and hits of one scan, as the scheduler has them."""
NOISY = 0.1
"""The spread between turns from which the numbers are called noisy."""
OPENSSL = "openssl speed, sha1, 16 bytes"
HASHCAT = "hashcat, raw SHA-1, no score"
LIMIT = "estimated limit with AVX-512"
ONE_RATE = str(Path(__file__).with_name("one_rate.py"))
PRINT_BACKENDS = "from hashfinder.kernel import *; print(*available_backends())"
OPERATIONS = 646 / 16
"""Vector operations for a candidate, counted in the machine code: see docs/kernel.md."""


@dataclass(frozen=True)
class Shape:
    """A kind of search. A '-' in a name, which no hash has, keeps it from ending."""

    name: str
    distance: int
    secret_length: int = 5

    @property
    def label(self) -> str:
        """The shape as the first column of the table."""
        return f"{self.name:<28} {self.distance:>8} {self.secret_length:>6}"


FULL_WORK = tuple(Shape("doctor", distance) for distance in (0, 1, 2))
"""What the promised ratio is about."""
SHAPES = (
    *FULL_WORK,
    Shape("doctor", 0, 3),
    Shape("doctor", 0, 4),
    Shape("doctor", 0, 8),
    Shape("who-", 1),
    Shape("doctorwho", 0),
    Shape("doctorwho", 3),
    Shape("abcdefghijklmn", 6),
    Shape("abcdefghijklmnopqrstu", 12),
    Shape("abcdefghijklmnopqrstuvwxyz0=", 16),
    Shape("doctor", 4),  # dense: 27 % are hits
    Shape("a-", 1),  # dense: 59 %
    Shape("a-", 2),  # dense: all
)


def scan_rate(kernel: Kernel, query: Query, first: int, seconds: float) -> float:
    """Return the candidates of `query`, from `first` on, searched in a second of CPU time."""
    scanner = kernel.prepare(query)
    chunk = CHUNK if kernel.backend != "python" else 512
    position = first
    scanner.scan(first, first + 1, 0, CAPACITY)  # what is made once for a search is not measured
    began = time.thread_time()
    while (elapsed := time.thread_time() - began) < seconds or position == first:
        stop = position + chunk
        while position < stop:
            position = scanner.scan(position, stop, 0, CAPACITY).stop
    return (position - first) / elapsed


def cliffs(turns: int, seconds: float) -> dict[str, tuple[float, float, str]]:
    """Return, for each kind of search, the slowest and the median of its rates, and which it is."""
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


def against(revision: str, turns: int, seconds: float) -> dict[str, float]:
    """Return the rate of the default job over that of an earlier version, for each backend in C.

    Builds that version in a temporary folder. Both are measured in turns by the same program.
    """
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as folder:
        archive = ["git", "archive", "--output", f"{folder}/before.tar", revision]
        subprocess.run([*archive, "services/hashfinder", "proto"], cwd=root, check=True)
        shutil.unpack_archive(f"{folder}/before.tar", folder, filter="data")
        build = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
        subprocess.run(build, cwd=Path(folder, "services/hashfinder"), check=True)
        before = _run_version(Path(folder), "-c", PRINT_BACKENDS).split()
        backends = [backend for backend in available_backends()[:-1] if backend in before]
        best: dict[tuple[str, Path], float] = {}
        for _ in range(turns):
            for backend in backends:
                for base in (Path(folder), root):
                    output = _run_version(base, ONE_RATE, backend, str(seconds))
                    best[backend, base] = max(float(output), best.get((backend, base), 0))
        return {backend: best[backend, root] / best[backend, Path(folder)] for backend in backends}


def _run_version(base: Path, *arguments: str) -> str:
    """Run Python with the version of HashFinder in the folder `base`; return what it prints."""
    paths = os.pathsep.join(str(base / part / "src") for part in ("services/hashfinder", "proto"))
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout


def openssl_rate() -> float:
    """Return the messages of 16 bytes that OpenSSL hashes in a second of CPU time."""
    command = ["openssl", "speed", "-seconds", "1", "-evp", "sha1", "-bytes", "16"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = re.search(r"(\d+) sha1(?: ops)?(?:'s)? in ([\d.]+)s", output)
    if not found:
        message = f"openssl speed said something unexpected: {output}"
        raise RuntimeError(message)
    return int(found[1]) / float(found[2])


def has_hashcat() -> bool:
    """Return whether hashcat is there, and OpenCL for the CPU.

    On Debian that is pocl-opencl-icd with ocl-icd-libopencl1.
    """
    if not shutil.which("hashcat"):
        return False
    command = ["hashcat", "-I", "--force"]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    if "Backend Device ID" in output:
        return True
    print("hashcat finds no OpenCL driver and is left out", file=sys.stderr)
    return False


def hashcat_rate() -> float:
    """Return the candidates that hashcat hashes in a second of CPU time, without any score.

    It tries all strings of 8 small letters against a hash that none has, for a few seconds. Between
    its first report and its last it neither compiles nor tunes.
    """
    command = ["hashcat", "-m", "100", "-a", "3", "-D", "1", "--force", "-O", "--runtime", "6"]
    command += ["--potfile-disable", "--self-test-disable", "--status", "--status-json"]
    command += ["--status-timer", "1", "0" * 40, "?l?l?l?l?l?l?l?l"]
    reports = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            found = re.search(r'"progress": \[([1-9]\d*)', line)
            if found:
                reports.append((int(found[1]), _cpu_seconds(process.pid)))
    if len(reports) < 2:
        message = "hashcat reported no progress"
        raise RuntimeError(message)
    (first, began), (last, ended) = reports[0], reports[-1]
    return (last - first) / (ended - began)


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, all of its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def limit_rate(program: Path) -> float:
    """Return how many candidates a second the CPU's vector units could do, busy all the time."""
    output = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return float(output) / OPERATIONS


def build_limit(folder: str) -> Path | None:
    """Compile what `limit_rate` runs; return None without AVX-512 or a compiler."""
    compiler = shutil.which(os.environ.get("CC", "gcc"))
    if "native-avx512" not in available_backends() or compiler is None:
        return None
    source, program = Path(__file__).with_name("vector_rate.c"), Path(folder, "vector_rate")
    subprocess.run([compiler, "-O3", "-mavx512f", source, "-o", program], check=True)
    return program


def scaling(turns: int, seconds: float) -> dict[int, dict[str, float]]:
    """Return what 1, 2 and more workers do together: by the clock, and by the CPU time they got.

    On a shared machine the clock tells of the neighbours; the rate for each second of CPU time,
    times the workers, tells whether workers slow each other down.
    """
    kernel = load_kernel(available_backends()[0])
    default = kernel_jobs.DEFAULT
    workers = range(1, (os.cpu_count() or 1) + 1)
    best = {count: {"clock": 0.0, "cpu": 0.0} for count in workers}
    for _ in range(turns):
        for count in workers:
            cpu: list[float] = []

            def work(rates: list[float] = cpu) -> None:
                rates.append(scan_rate(kernel, default.query, default.start, seconds))

            threads = [threading.Thread(target=work) for _ in range(count)]
            began = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            clock = seconds * sum(cpu) / (time.monotonic() - began)
            best[count]["clock"] = max(best[count]["clock"], clock)
            best[count]["cpu"] = max(best[count]["cpu"], sum(cpu))
    return best


def measure(turns: int, seconds: float, limit: Path | None) -> dict[str, dict[str, list[float]]]:
    """Return the rates of each row of the table, by column, a number for each turn."""
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
        jobs[OPENSSL, ""] = openssl_rate
    if has_hashcat():
        jobs[HASHCAT, ""] = hashcat_rate
    if limit:
        jobs[LIMIT, ""] = partial(limit_rate, limit)
    rates: dict[str, dict[str, list[float]]] = {}
    for turn in range(turns):
        print(f"\rTurn {turn + 1} of {turns}", end="", file=sys.stderr, flush=True)
        for (row, column), job in jobs.items():
            rates.setdefault(row, {}).setdefault(column, []).append(job())
    print("\r" + " " * 20 + "\r", end="", file=sys.stderr, flush=True)
    return rates


def main() -> int:
    """Measure, print, write."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        rates = measure(arguments.turns, arguments.seconds, build_limit(folder))
    curve = scaling(arguments.turns, 5 * arguments.seconds)
    best = {
        row: {column: max(turns) for column, turns in cells.items()} for row, cells in rates.items()
    }
    spread = median(1 - min(turns) / max(turns) for row in rates.values() for turns in row.values())
    fastest = available_backends()[0]
    full_work = min(best[shape.label][fastest] for shape in FULL_WORK)
    ratios = {row: full_work / best[row][""] for row in (OPENSSL, HASHCAT, LIMIT) if row in best}
    print("\n".join(_table(best)))
    print("\n".join(_ratios(best)))
    for row, ratio in ratios.items():
        print(f"{fastest}, name of 6, distance 0 to 2, worst of them: {ratio:.2f} times {row}")
    for count, workers in curve.items():
        by_clock, by_cpu = (workers[key] / curve[1][key] for key in ("clock", "cpu"))
        print(f"{count} workers: {by_clock:.2f} times one by the clock, {by_cpu:.2f} by CPU time")
    slowest = cliffs(arguments.turns, arguments.seconds) if arguments.cliffs else {}
    for kind, (low, middle, label) in slowest.items():
        print(f"{kind}: slowest {low / 1e6:.3g} M/s ({label}), {low / middle:.2f} of the median")
    before = {}
    if arguments.against:
        before = against(arguments.against, arguments.turns, 5 * arguments.seconds)
    for backend, ratio in before.items():
        print(f"{backend}, default job: {ratio:.3f} times {arguments.against}")
    verdict = "NOISY: take the ratios with care" if spread > NOISY else "quiet"
    print(f"Median spread between turns: {spread:.0%} ({verdict}); load {os.getloadavg()[0]:.1f}")
    results = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"platform": platform.platform(), "cores": os.cpu_count(), "cpu": _cpu_name()},
        "unit": "candidates per second of CPU time on one thread",
        "rates": rates,
        "ratios": ratios,
        "scaling": curve,
        "cliffs": slowest,
        "against": before,
        "spread": spread,
        "noisy": spread > NOISY,
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {arguments.json}")
    if arguments.at_least and ratios.get(OPENSSL, 0) < arguments.at_least:
        print(f"The ratio to OpenSSL is below {arguments.at_least}", file=sys.stderr)
        return 1
    return 0


def _table(best: dict[str, dict[str, float]]) -> list[str]:
    """Return the lines of the table, in million candidates a second."""
    backends = available_backends()
    lines = [
        f"{_cpu_name()}; million candidates per second of CPU time on one thread",
        f"{'name':<28} {'distance':>8} {'secret':>6} " + " ".join(f"{b:>15}" for b in backends),
    ]
    for row, cells in best.items():
        columns = backends if "" not in cells else ("",)
        cells_text = " ".join(f"{cells[column] / 1e6:>15.3g}" for column in columns)
        lines.append(f"{row:<44} {cells_text}")
    return lines


def _ratios(best: dict[str, dict[str, float]]) -> list[str]:
    """Return the lines of a table: the schemes, as ratios to the default job of each backend."""
    backends = available_backends()
    default = best[kernel_jobs.DEFAULT.label]
    lines = [f"{'ratio to the default job':<44} " + " ".join(f"{b:>15}" for b in backends)]
    for job in SCHEMES[1:]:
        cells = (f"{best[job.label][b] / default[b]:>15.3f}" for b in backends)
        lines.append(f"{job.label:<44} {' '.join(cells)}")
    return lines


def _cpu_name() -> str:
    """Return the CPU's name, where the system tells it."""
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="make bench-kernel", description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="how often to measure each (5)")
    parser.add_argument("--seconds", type=float, default=0.1, help="of a turn, for each cell (0.1)")
    parser.add_argument(
        "--json",
        type=Path,
        default=Path(".cache/bench-kernel.json"),
        help="where to write the results",
    )
    parser.add_argument("--cliffs", action="store_true", help="measure the worst of each kind, too")
    parser.add_argument("--against", metavar="REVISION", help="measure that version, too")
    parser.add_argument("--at-least", type=float, help="the ratio to OpenSSL to insist on")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
