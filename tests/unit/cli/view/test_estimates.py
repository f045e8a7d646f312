"""The text of an estimate."""

import json

import pytest

from hashfinder_cli.view.estimates import duration, json_line, of_chance, one_line, paragraph
from hashfinder_client.query import Query
from hashfinder_proto.hash_name_pb2 import SearchEstimate
from hashfinder_rules.chance import Chance

DOCTOR = of_chance(Query("doctor").chance)


def test_one_line() -> None:
    """The odds, and the hashes (and time) within which half and 99 % of such searches end."""
    fast = SearchEstimate(hashes_per_second=354e6)
    fast.MergeFrom(DOCTOR)

    assert (
        "1 in 51.1 M; half of such searches end within 35.4 M hashes (0.1 s here),"
        " 99 % within 235.5 M"
    ) == one_line(fast)


def test_unknown_rate() -> None:
    """Without a rate there are no times."""
    assert "here" not in one_line(DOCTOR) + paragraph(DOCTOR)
    assert json.loads(json_line(DOCTOR))["hashes_per_second"] is None


def test_bounds() -> None:
    """A chance that is not exact is a range."""
    assert one_line(of_chance(Chance(1e-6, 1e-3))).startswith("between 1 in 1.0 k and 1 in 1.0 M;")
    assert one_line(of_chance(Chance(1.5e-6, 1.50001e-6))).startswith("1 in 666.7 k;")


def test_no_chance() -> None:
    """A chance of zero does not cause a division by zero."""
    assert one_line(SearchEstimate()).startswith("a chance too small for a number;")


def test_small_keyspace() -> None:
    """If the chance of any match is below a half, the text says so."""
    line = one_line(of_chance(Query("doctordoctordoctordoctor").chance))
    assert line.endswith("; fewer than half of such searches ever find it")
    sure = of_chance(Chance(1.0, 1.0))
    assert "half of such searches end within 1 hashes" in one_line(sure)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0.0 s"), (59.9, "59.9 s"), (90, "1.5 min"), (5400, "1.5 h"), (1.296e5, "1.5 d")],
)
def test_duration(seconds: float, text: str) -> None:
    """Times are in a suitable unit."""
    assert text == duration(seconds)


def test_years() -> None:
    """Very long times are in years."""
    assert "3.2 T years" == duration(1e20)
