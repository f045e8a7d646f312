"""The progress on stderr."""

import io

import pytest

from hashfinder_cli.search import Search
from hashfinder_cli.view.status_line import StatusLine
from hashfinder_client.events import Progress
from tests.unit.cli.searches import search
from tests.unit.cli.view.findings import REPORT


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        (
            search(progress=True),
            "doctor  2.0 s  84.0 M/s  1.5 M hashes  at 18446744073709551615  best 1  chance 50 %\n",
        ),
        (search(), ""),
        (search(progress=True, as_json=True), ""),
    ],
)
def test_progress_lines(asked: Search, written: str) -> None:
    """Without a terminal each requested report is a line, unless stdout has it."""
    stderr = io.StringIO()
    with StatusLine(asked, stderr) as status:
        status.tick(1.0)
        status.report(REPORT, 2.0)

    assert written == stderr.getvalue()


def test_progress_before_the_first_position() -> None:
    """A report without a best candidate or a next position leaves them out."""
    stderr = io.StringIO()
    report = Progress(hashes=0, next_position=None, rate=0.0, best=None, chance=0.0)
    StatusLine(search(progress=True), stderr).report(report, 0.04)

    assert "doctor  0.0 s  0/s  0 hashes  chance 0 %\n" == stderr.getvalue()
