"""Which figures `make bench` calls worse."""

import pytest

from tests.bench.compare import worse
from tests.bench.rows import RATIO, Better, Report, Row


def report(*rows: Row, cpu: str = "A", others: float = 0.0) -> Report:
    """Return a report of one part with these rows."""
    return Report("part", "2026-01-01", "abc", {"cpu": cpu}, list(rows), others=others)


def row(
    *values: float,
    unit: str = "ms",
    better: Better = Better.LOWER,
    name: str = "name",
    best: bool = False,
) -> Row:
    """Return a row."""
    return Row(name, "subject", unit, better, values, best)


def found(before: Report, now: Report) -> list[tuple[str, float]]:
    """Return the names and factors of the figures that became worse."""
    return [(each.now.name, round(each.factor, 3)) for each in worse([before], [now])]


@pytest.mark.parametrize(
    ("better", "before", "now", "expected"),
    [
        (Better.LOWER, 10, 20, [("name", 2.0)]),
        (Better.LOWER, 20, 10, []),
        (Better.HIGHER, 20, 10, [("name", 2.0)]),
        (Better.HIGHER, 10, 20, []),
        (Better.NEITHER, 10, 20, []),
        (Better.NEITHER, 20, 10, []),
        (Better.LOWER, 0, 3, [("name", float("inf"))]),
        (Better.LOWER, 0, 0, []),
    ],
)
def test_direction_of_a_row_decides(
    better: Better, before: float, now: float, expected: list[tuple[str, float]]
) -> None:
    """For a time twice the value is worse and half of it is not; for a rate it is the opposite."""
    before_row, now_row = (row(each, each, better=better) for each in (before, now))

    assert expected == found(report(before_row), report(now_row))


def test_spread_of_both_runs_is_noise() -> None:
    """A fifth more is worse if turns agree, but not if they differ by a tenth in each run."""
    quiet, noisy = row(10, 10, 10), row(9, 10, 11)

    assert [("name", 1.2)] == found(report(quiet), report(row(12, 12, 12)))
    assert [] == found(report(noisy), report(row(10.8, 12, 13.2)))


def test_every_turn_counts_as_noise() -> None:
    """Half the range of the turns, where the quartiles of these would be equal."""
    before, now = row(8, 10, 10, 10, 10), row(9.6, 12, 12, 12, 12)

    assert [] == found(report(before), report(now))


def test_slow_turn_is_no_noise_where_the_best_counts() -> None:
    """It does not change the figure, and hides no other change."""
    before, now = row(10, 10, 10, 10, 15, best=True), row(12, 12, 12, 12, 12, best=True)

    assert [("name", 1.2)] == found(report(before), report(now))


def test_single_values_have_an_assumed_spread() -> None:
    """A quarter, in each run."""
    assert [] == found(report(row(10)), report(row(14.9)))
    assert [("name", 1.51)] == found(report(row(10)), report(row(15.1)))


def test_other_load_is_noise() -> None:
    """The shares that others used in both runs are added."""
    before, now = row(10, 10), row(15, 15)

    assert [] == found(report(before, others=0.3), report(now, others=0.25))
    assert [("name", 1.5)] == found(report(before, others=0.3), report(now, others=0.15))


def test_slower_cpu_is_seen_by_the_rates_of_other_programs() -> None:
    """By their median; higher rates of others explain nothing, and times are not rates."""

    def rates(own: float, *others: float, unit: str = "M/s") -> Report:
        better = Better.HIGHER if unit == "M/s" else Better.LOWER
        rows = [row(own, own, unit=unit, better=better)]
        for number, other in enumerate(others):
            rows.append(row(other, unit=unit, better=Better.NEITHER, name=f"other {number}"))
        return report(*rows)

    before = rates(20, 10, 10, 10)
    assert [] == found(before, rates(16, 8, 8, 10))
    assert [("name", 1.25)] == found(before, rates(16, 8, 10, 10))
    assert [("name", 1.25)] == found(before, rates(16, 20, 20, 20))
    times = rates(20, 10, unit="ms")
    assert [("name", 1.25)] == found(times, rates(25, 8, unit="ms"))


def test_another_cpu_compares_ratios_alone() -> None:
    """Times of different CPUs do not compare."""
    rows = [row(10, 10), row(0.1, 0.1, unit=RATIO, name="ratio")]
    slower = [row(20, 20), row(0.2, 0.2, unit=RATIO, name="ratio")]

    assert [("ratio", 2.0)] == found(report(*rows), report(*slower, cpu="B"))


def test_ratios_come_first_then_the_worst() -> None:
    """A ratio twice as large comes before a time ten times as long."""
    names = (("a", "ms", 20), ("b", RATIO, 20), ("c", "ms", 100), ("d", RATIO, 30))
    before = [row(10, 10, unit=unit, name=name) for name, unit, _ in names]
    now = [row(value, value, unit=unit, name=name) for name, unit, value in names]

    assert ["d", "b", "c", "a"] == [name for name, _ in found(report(*before), report(*now))]


def test_rows_and_parts_missing_in_a_run_are_left_out() -> None:
    """Without a counterpart nothing can be worse."""
    assert [] == found(report(row(1, 1, name="a")), report(row(9, 9, name="b")))
    assert [] == worse([], [report(row(9, 9))])


def test_text_of_a_change() -> None:
    """It has both values, the factor, and the factor that noise explains."""
    (change,) = worse([report(row(10, 10))], [report(row(20, 20))])

    line = "part: name, subject: 10 → 20 ms, 2.00 times worse (noise explains 1.05)"
    assert line == str(change)
