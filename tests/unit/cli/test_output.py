"""The forms of the results on stdout, and of the progress on stderr."""

import io
import json
from dataclasses import replace

import pytest

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.explain import Ending
from hashfinder_cli.output import Find, JsonLines, TabbedLines, output_for, quantity
from hashfinder_cli.search import Search
from hashfinder_cli.status_line import StatusLine
from hashfinder_client.events import Progress
from hashfinder_client.match import Match

RESULT = Match(b"\x07o\xef", "JrqhZVkTDoctYrUlXDbL6pfYQHU=", 1, 553195, 8)
FIND = Find(RESULT, is_ideal=False, seconds=0.1234567, rate=1e6)
REPORT = Progress(hashes=1_500_000, next_position=2**64 - 1, rate=8.4e7, best=RESULT, chance=0.5)
SEARCH = Search(name="doctor", server="", show_progress=True)
FIELDS = {
    "secret": "B2/v",
    "secret_hex": "076fef",
    "hashed_name": "JrqhZVkTDoctYrUlXDbL6pfYQHU=",
    "distance": 1,
    "position": 553195,
}


def test_tabbed_lines() -> None:
    """A line has four fields, nothing else is written, and an empty secret is an empty field."""
    stdout = io.StringIO()
    output = output_for(SEARCH, stdout)
    output.find(FIND)
    output.report(REPORT)
    output.find(replace(FIND, result=replace(RESULT, secret=b"")))
    output.end(Ending(code=ExitCode.FOUND, sentence=""))

    assert isinstance(output, TabbedLines)
    assert (
        "1\t553195\tB2/v\tJrqhZVkTDoctYrUlXDbL6pfYQHU=\n1\t553195\t\tJrqhZVkTDoctYrUlXDbL6pfYQHU=\n"
    ) == stdout.getvalue()


def test_json_lines() -> None:
    """Each object is a line, says its type, and keeps 64-bit positions exactly."""
    stdout = io.StringIO()
    output = output_for(replace(SEARCH, as_json=True), stdout)
    output.find(FIND)
    output.report(REPORT)
    output.end(Ending(code=ExitCode.DEADLINE, sentence="Late.", status="DEADLINE_EXCEEDED"))

    assert isinstance(output, JsonLines)
    result, progress, end = map(json.loads, stdout.getvalue().splitlines())
    assert {"type": "result", **FIELDS, "is_ideal": False, "elapsed_seconds": 0.123} == result
    assert {
        "type": "progress",
        "hashes_computed": 1_500_000,
        "next_position": 2**64 - 1,
        "hashes_per_second": 8.4e7,
        "best_candidate": FIELDS,
        "chance": 0.5,
    } == progress
    assert ("end", 4, "DEADLINE_EXCEEDED", "Late.", None) == tuple(
        end[key] for key in ("type", "exit_code", "status", "message", "next_position")
    )


def test_json_without_progress() -> None:
    """Reports that were not asked for are not written."""
    stdout = io.StringIO()
    output_for(replace(SEARCH, as_json=True, show_progress=False), stdout).report(REPORT)

    assert "" == stdout.getvalue()


@pytest.mark.parametrize(
    ("search", "written"),
    [
        (
            SEARCH,
            "doctor  2.0 s  84.0 M/s  1.5 M hashes  at 18446744073709551615  best 1  chance 50 %\n",
        ),
        (replace(SEARCH, show_progress=False), ""),
        (replace(SEARCH, as_json=True), ""),
    ],
)
def test_progress_lines(search: Search, written: str) -> None:
    """Where nothing can be animated, a report asked for is a line, unless stdout has it."""
    stderr = io.StringIO()
    with StatusLine(search, stderr) as status:
        status.tick(1.0)
        status.report(REPORT, 2.0)

    assert written == stderr.getvalue()


def test_progress_before_the_first_position() -> None:
    """A report without a best candidate or anything left to search shows what it has."""
    stderr = io.StringIO()
    report = Progress(hashes=0, next_position=None, rate=0.0, best=None, chance=0.0)
    StatusLine(SEARCH, stderr).report(report, 0.04)

    assert "doctor  0.0 s  0/s  0 hashes  chance 0 %\n" == stderr.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0 k"), (84_100_000, "84.1 M"), (2**64, "18446.7 P")],
)
def test_quantity(value: float, text: str) -> None:
    """Large numbers get a decimal prefix."""
    assert text == quantity(value)
