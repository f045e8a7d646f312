"""The generated parts of the docs are up to date."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/operations.md"


def check(*pages: Path) -> subprocess.CompletedProcess[str]:
    """Check the generated parts of some pages, or of all, against the code and a running server."""
    # Other tests may use .venv meanwhile, so it is not changed.
    settled = ("--old-file=.venv/.requirements", "--old-file=.venv/.packages")
    chosen = [f"PAGES={' '.join(map(str, pages))}"] if pages else []
    command = ["make", "--silent", *settled, "docs-check", *chosen]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)


def test_docs_are_up_to_date() -> None:
    """Settings and metrics are those of the code and a running server; snippets are its source."""
    done = check()

    assert 0 == done.returncode, f"run: make docs\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("row", ["| `HASHFINDER_CHUNK_SECONDS` ", "| `hashfinder_hashes_total` "])
def test_outdated_page_fails_the_check(tmp_path: Path, row: str) -> None:
    """A missing row fails the check, which prints it."""
    copy = Path(shutil.copy(GUIDE, tmp_path))
    text = copy.read_text(encoding="utf-8")
    copy.write_text(re.sub(rf"^{re.escape(row)}.*\n", "", text, flags=re.MULTILINE))

    done = check(copy)

    assert 0 != done.returncode
    assert f"+{row}" in done.stdout


def test_every_python_block_of_the_guide_is_code_that_runs() -> None:
    """Each block is included from a source file."""
    guide = (ROOT / "docs/cancellation.md").read_text(encoding="utf-8")

    blocks = re.findall(r"^(.*)\n```python$", guide, re.MULTILINE)
    assert blocks
    assert all(line.startswith("<!-- [[[cog cog.out(source(") for line in blocks)
