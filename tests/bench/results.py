"""Where committed runs are, one file per CPU, and which figures their plots show."""

import hashlib
from pathlib import Path

from tests.bench.rows import Report, read

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs/benchmarks"
# Names of rows that the page or the plots use.
DEFAULT_JOB = "default: doctor, distance 1"
SHORT = "SHA-1 of short messages, without a score"
JAIN = "Jain's index of the clients' shares"
RATE = "hash rate, the bare kernel is 1"
OVER = "the default job of the fastest, times"


def path_of(cpu: str) -> Path:
    """Return the file of the runs on a CPU."""
    words = "".join(letter if letter.isalnum() else " " for letter in cpu.lower()).split()
    return RESULTS / f"{'-'.join(words)}.json"


def newest() -> tuple[dict[str, Report], Path]:
    """Return the reports of the newest run, by part, and its file.

    A run of which a part failed comes after those with more parts: the page needs all.
    """
    runs = {path: read(path.read_text(encoding="utf-8")) for path in RESULTS.glob("*.json")}
    path = max(runs, key=lambda path: (len(runs[path]), max(each.at for each in runs[path])))
    return {report.part: report for report in runs[path]}, path


def digest(run: Path) -> str:
    """Return the digest in each plot: of its figures and of the code that draws them."""
    here = Path(__file__)
    drawing = (here.with_name("plots.py"), here.with_name("charts.py"))
    sources = (run, *drawing, ROOT / "requirements/bench.txt")
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
