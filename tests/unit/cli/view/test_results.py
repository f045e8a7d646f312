"""The formats of results on stdout."""

import io
import json
from dataclasses import replace

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.view.ending import Ending
from hashfinder_cli.view.results import JsonLines, TabbedLines, output_for
from tests.unit.cli.searches import search
from tests.unit.cli.view.findings import FINDING, MATCH, REPORT

END = Ending(code=ExitCode.FOUND, sentence="")


def test_tabbed_lines() -> None:
    """A line has four fields; an empty secret is an empty field."""
    stdout = io.StringIO()
    output = output_for(search(progress=True), stdout)
    output.result(FINDING)
    output.report(REPORT)
    output.result(replace(FINDING, match=replace(MATCH, secret=b"")))
    output.end(END)

    assert isinstance(output, TabbedLines)
    assert (
        "1\t553195\tB2/v\tJrqhZVkTDoctYrUlXDbL6pfYQHU=\n1\t553195\t\tJrqhZVkTDoctYrUlXDbL6pfYQHU=\n"
    ) == stdout.getvalue()


def test_json_lines() -> None:
    """Each object is a line, in the order of the events."""
    stdout = io.StringIO()
    output = output_for(search(as_json=True, progress_interval=0.5), stdout)
    output.result(FINDING)
    output.report(REPORT)
    output.end(END)

    assert isinstance(output, JsonLines)
    types = [json.loads(line)["type"] for line in stdout.getvalue().splitlines()]
    assert ["result", "progress", "end"] == types


def test_json_without_progress() -> None:
    """Progress that was not requested is not written."""
    stdout = io.StringIO()
    output_for(search(as_json=True), stdout).report(REPORT)

    assert "" == stdout.getvalue()
