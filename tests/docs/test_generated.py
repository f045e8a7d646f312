"""The generated parts of the docs are up to date."""

import re
import subprocess
from pathlib import Path

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


def test_outdated_page_fails_the_check(tmp_path: Path) -> None:
    """Missing rows fail the check, which prints them."""
    rows = ["| `HASHFINDER_CHUNK_SECONDS` ", "| `hashfinder_hashes_total` "]
    text = GUIDE.read_text(encoding="utf-8")
    for row in rows:
        text = re.sub(rf"^{re.escape(row)}.*\n", "", text, flags=re.MULTILINE)
    copy = tmp_path / GUIDE.name
    copy.write_text(text, encoding="utf-8")

    done = check(copy)

    assert 0 != done.returncode
    assert rows == [row for row in rows if f"+{row}" in done.stdout]


def test_every_python_block_of_the_guide_is_code_that_runs() -> None:
    """Each block is included from a source file."""
    guide = (ROOT / "docs/cancellation.md").read_text(encoding="utf-8")

    blocks = re.findall(r"^(.*)\n```python$", guide, re.MULTILINE)
    assert blocks
    assert all(line.startswith("<!-- [[[cog cog.out(source(") for line in blocks)
