"""How `make bench` handles parts that end, fail, or never end."""

import sys
import time
from pathlib import Path

import pytest

from tests.bench import bench_all
from tests.bench.bench_all import measure
from tests.bench.rows import Better, Report, read, write


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A part's report, as the part would write it."""
    report = Report("part", "2026-01-01", "abc", {"cpu": "A"}, complete=True)
    report.add("name", "subject", "ms", Better.LOWER, 1.0)
    path = tmp_path / "written.json"
    write(path, [report])
    return path


def part(code: str) -> list[str]:
    """Return a command that stands for a part."""
    return [sys.executable, "-c", f"import os, shutil, subprocess, sys, time\n{code}"]


def test_report_of_a_part_that_ends_counts(tmp_path: Path, written: Path) -> None:
    """A part that exits with 1, because a requirement is not met, counts as well."""
    output = tmp_path / "output.json"
    code = f"shutil.copy({str(written)!r}, {str(output)!r}); sys.exit(1)"

    assert read(written.read_text()) == [measure(part(code), output, 30)]


def test_part_that_fails_has_no_report(tmp_path: Path, written: Path) -> None:
    """Neither its partial figures nor those of an earlier run count."""
    output = tmp_path / "output.json"
    output.write_text(written.read_text())
    assert measure(part("sys.exit(1)"), output, 30) is None

    incomplete = written.read_text().replace('"complete": true', '"complete": false')
    written.write_text(incomplete)
    code = f"shutil.copy({str(written)!r}, {str(output)!r}); raise SystemExit('broken')"
    assert measure(part(code), output, 30) is None
    assert output.exists()


def test_part_that_never_ends_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM comes first; after some time the rest is killed."""
    monkeypatch.setattr(bench_all, "PATIENCE_SECONDS", 0.2)
    told, pid = tmp_path / "told", tmp_path / "pid"
    code = f"""
import signal
signal.signal(signal.SIGTERM, lambda *_: open({str(told)!r}, "w").close())
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
open({str(pid)!r}, "w").write(str(child.pid))
while True:
    time.sleep(0.05)
"""
    assert measure(part(code), tmp_path / "output.json", 3) is None

    assert told.exists()
    state = Path(f"/proc/{pid.read_text()}/stat")
    deadline = time.monotonic() + 10
    while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)
