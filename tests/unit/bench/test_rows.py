"""The common format of figures."""

import math
from pathlib import Path

import pytest

from tests.bench.rows import Better, Report, Row, number, percentile, read, write


def report() -> Report:
    """Return an empty report."""
    return Report("part", "2026-01-01", "abc", {"cpu": "A"})


def test_a_file_has_a_line_for_each_row_and_returns_the_same(tmp_path: Path) -> None:
    """Values are written with four digits, and read as written."""
    written = report()
    written.add("a", "x", "ms", Better.LOWER, 1.5, 2.25)
    written.add('b, of [5] "bytes"', "y", "M/s", Better.HIGHER, 100, best=True)
    written.complete = True
    path = tmp_path / "folder/file.json"

    write(path, [written])

    text = path.read_text(encoding="utf-8")
    assert [written] == read(text)
    assert 2 == sum('"values"' in line for line in text.splitlines() if '"name"' in line)


@pytest.mark.parametrize(
    ("values", "better", "best", "expected"),
    [
        ((3, 1, 2), Better.LOWER, False, 2),
        ((3, 1, 2), Better.LOWER, True, 1),
        ((3, 1, 2), Better.HIGHER, True, 3),
        ((3, 1, 2), Better.NEITHER, True, 3),
    ],
)
def test_value_is_the_median_or_the_best(
    values: tuple[float, ...], better: Better, *, best: bool, expected: float
) -> None:
    """The best time is the smallest, the best rate the largest."""
    assert expected == Row("", "", "", better, values, best).value


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((10,), None),
        ((9, 11), 0.1),
        ((8, 9, 10, 11, 12), 0.1),
        ((10, 10, 10, 10, 100), 0),
        ((0, 0), None),
    ],
)
def test_spread_is_half_of_the_distance(values: tuple[float, ...], expected: float | None) -> None:
    """Of all turns if they are few, of the quartiles if they are many."""
    assert expected == Row("", "", "", Better.LOWER, values).spread


def test_nan_counts_as_not_measured() -> None:
    """It is listed as missing, and not as a row."""
    measured = report()
    measured.add("a", "x", "ms", Better.LOWER, math.nan)
    measured.add("b", "x", "ms", Better.LOWER, math.nan, 3)

    assert ["a, x: nothing to see"] == measured.missing
    assert [(3,)] == [row.values for row in measured.rows]


def test_tables_have_the_names_that_share_their_columns() -> None:
    """Rows with another unit are in another column."""
    measured = report()
    for name, unit in (("a", "ms"), ("b", "s"), ("c", "ms")):
        for subject in ("x", "y"):
            measured.add(name, subject, unit, Better.LOWER, 1)

    first, second = measured.tables()
    assert [["", "x, ms", "y, ms"], ["a", "1", "1"], ["c", "1", "1"]] == first
    assert [["", "x, s", "y, s"], ["b", "1", "1"]] == second


def test_percentile_is_one_of_the_values() -> None:
    """It is the smallest one that at least so many do not exceed."""
    assert 99 == percentile(range(1, 101), 99)
    assert 100 == percentile([100, 1, 2], 99)
    assert math.isnan(percentile([], 50))


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234"), (0, "0"), (12.34, "12.3"), (1.234, "1.23"), (0.1234, "0.123"), (7, "7")],
)
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    """Or all digits before the point."""
    assert text == number(value)
