"""Find the figures that became worse between two runs by more than noise explains.

Ratios compare between machines; times and rates only on the same CPU. A figure is worse when it
changed by more than its noise in both runs plus the share of the machine that other load used in
either run: with half of a machine, an RPC takes twice as long.

Noise is half the range of the turns. Half the distance between the quartiles, as the tables show
it, called 10 % of medians and 14 % of 99th percentiles worse in runs of the same code (latencies of
stops, four rounds); half the range called 1 and 5 %. Where the best turn counts, the quartiles do:
other load that slows one turn down does not change the figure.

A CPU's clock also differs between runs, and is the same for a whole run, so that turns do not show
it. What other programs did in a run does: where their rates are lower, lower rates are explained.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from tests.bench.rows import RATIO, Better, Report, Row, number

LEAST = 0.05
"""A change below this is never reported."""
SINGLE = 0.25
"""The noise assumed for a figure that was measured once."""


@dataclass(frozen=True)
class Change:
    """A figure that became worse."""

    part: str
    before: Row
    now: Row
    factor: float
    """How many times worse."""
    tolerance: float
    """The factor that noise alone explains: 1.2 for a fifth."""

    def __str__(self) -> str:
        """Return a line for the summary."""
        its = f"{self.part}: {self.now.name}, {self.now.subject}"
        values = f"{number(self.before.value)} → {number(self.now.value)} {self.now.unit}"
        return (
            f"{its}: {values}, {self.factor:.2f} times worse (noise explains {self.tolerance:.2f})"
        )


def worse(before: Iterable[Report], now: Iterable[Report]) -> list[Change]:
    """Return what became worse: ratios first, then other units, the largest change first."""
    earlier = {report.part: report for report in before}
    changes = [
        change
        for report in now
        if (former := earlier.get(report.part))
        for change in _changes(former, report)
    ]
    return sorted(changes, key=lambda each: (each.now.unit != RATIO, each.tolerance - each.factor))


def _changes(before: Report, now: Report) -> Iterable[Change]:
    rows = {row.key: row for row in before.rows}
    same_cpu = before.machine["cpu"] == now.machine["cpu"]
    for row in now.rows:
        former = rows.get(row.key)
        if former and row.better is not Better.NEITHER and (same_cpu or row.unit == RATIO):
            factor = _times_worse(former, row)
            noise = _noise(former) + _noise(row) + before.others + now.others
            tolerance = (1 + max(LEAST, noise)) * _slowdown(rows, now, row.unit)
            if factor > tolerance:
                yield Change(now.part, former, row, factor, tolerance)


def _slowdown(before: Mapping[str, Row], now: Report, unit: str) -> float:
    """Return the factor by which other programs' rates in `unit` are lower, at least 1."""
    if not unit.endswith("/s"):
        return 1.0
    factors = [
        before[row.key].value / row.value
        for row in now.rows
        if row.better is Better.NEITHER and row.unit == unit and row.value and row.key in before
    ]
    return max(1.0, median(factors)) if factors else 1.0


def _times_worse(before: Row, now: Row) -> float:
    """Return the factor by which it is worse; infinity where it was zero and no longer is."""
    small, large = before.value, now.value
    if now.better is Better.HIGHER:
        small, large = large, small
    if large <= small:
        return 1.0
    return large / small if small > 0 else float("inf")


def _noise(row: Row) -> float:
    if row.spread is None:
        return SINGLE
    if row.best:
        return row.spread
    return (max(row.values) - min(row.values)) / 2 / abs(row.value)
