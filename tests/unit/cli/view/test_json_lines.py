"""The JSON objects in the output."""

import json
from dataclasses import replace

import pytest

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.view.ending import Ending
from hashfinder_cli.view.json_lines import end_line, progress_line, result_line
from tests.unit.cli.view.findings import FIELDS, FINDING, MATCH, REPORT


def test_members() -> None:
    """Each object has its type, and unknown values are null."""
    late = Ending(code=ExitCode.DEADLINE, sentence="Late.", status="DEADLINE_EXCEEDED")

    assert {
        "type": "result",
        **FIELDS,
        "is_ideal": False,
        "elapsed_seconds": 0.123,
    } == json.loads(result_line(FINDING))
    assert {
        "type": "progress",
        "hashes_computed": 1_500_000,
        "hashes_computed_text": "1500000",
        "next_position": 2**64 - 1,
        "next_position_text": "18446744073709551615",
        "hashes_per_second": 8.4e7,
        "best_candidate": FIELDS,
        "chance": 0.5,
    } == json.loads(progress_line(REPORT))
    assert {
        "type": "end",
        "exit_code": 4,
        "status": "DEADLINE_EXCEEDED",
        "reason": None,
        "message": "Late.",
        "next_position": None,
        "next_position_text": None,
        "best_candidate": None,
        "retry_after_seconds": None,
        "request_id": None,
        "kernel": None,
    } == json.loads(end_line(late))


@pytest.mark.parametrize("position", [2**53 + 1, 2**64 - 1])
def test_exact_where_numbers_are_floats(position: int) -> None:
    """Positions are also strings, since JavaScript's numbers are floats."""
    end = Ending(code=ExitCode.BUDGET_SPENT, sentence="", next_position=position)
    lines = [
        (result_line(replace(FINDING, match=replace(MATCH, position=position))), "position_text"),
        (progress_line(replace(REPORT, next_position=position)), "next_position_text"),
        (progress_line(replace(REPORT, hashes=position)), "hashes_computed_text"),
        (end_line(end), "next_position_text"),
    ]

    for line, name in lines:
        members = json.loads(line, parse_int=float)
        assert str(position) == members[name]
        assert position != int(members[name.removesuffix("_text")])
