"""What the docs have from the code is up to date."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/operations.md"


def check(*pages: Path) -> subprocess.CompletedProcess[str]:
    """Compare what some pages, else all, have from the code with the code and a live server."""
    # Other tests may be under way in .venv: it stays as it is.
    settled = ("--old-file=.venv/.requirements", "--old-file=.venv/.packages")
    chosen = [f"PAGES={' '.join(map(str, pages))}"] if pages else []
    command = ["make", "--silent", *settled, "docs-check", *chosen]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)


def test_docs_are_up_to_date() -> None:
    """Settings and metrics are those of the code and of a live server, snippets are its sources."""
    done = check()

    assert 0 == done.returncode, f"run: make docs\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("row", ["| `HASHFINDER_CHUNK_SECONDS` ", "| `hashfinder_hashes_total` "])
def test_drift_is_noticed(tmp_path: Path, row: str) -> None:
    """A row that is missing fails the check, which shows it."""
    copy = Path(shutil.copy(GUIDE, tmp_path))
    text = copy.read_text(encoding="utf-8")
    copy.write_text(re.sub(rf"^{re.escape(row)}.*\n", "", text, flags=re.MULTILINE))

    done = check(copy)

    assert 0 != done.returncode
    assert f"+{row}" in done.stdout


def test_every_python_block_of_the_guide_is_code_that_runs() -> None:
    """None stands there without the source that it comes from."""
    guide = (ROOT / "docs/cancellation.md").read_text(encoding="utf-8")

    blocks = re.findall(r"^(.*)\n```python$", guide, re.MULTILINE)
    assert blocks
    assert all(line.startswith("<!-- [[[cog cog.out(source(") for line in blocks)
