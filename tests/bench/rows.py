"""What every bench measures, in one shape: rows. One writer, one table.

The page, the plots and the comparison know this alone. Needs the standard library alone.
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from statistics import median, quantiles
from typing import Any

NOISY = 0.05
"""The part of the machine that others may use before the figures are called noisy."""
RATIO = "ratio"
"""The unit of what compares between machines."""
_QUARTILES_FROM = 4
"""So many values have quartiles."""


class Better(StrEnum):
    """Which values of a row are the better ones."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"
    """Of another program, or a figure that only explains others."""


@dataclass(frozen=True)
class Row:
    """One figure."""

    name: str
    """What it is a figure of: a line of a table."""
    subject: str
    """Whose it is: a column."""
    unit: str
    better: Better
    values: tuple[float, ...]
    """One for each turn."""
    best: bool = False
    """Whether the best turn counts, since others on the machine can only slow it down."""

    @property
    def key(self) -> str:
        """What it is called, once in a report."""
        return f"{self.name} | {self.subject} | {self.unit}"

    @property
    def value(self) -> float:
        """The best value, or the median."""
        if self.best:
            return min(self.values) if self.better is Better.LOWER else max(self.values)
        return median(self.values)

    @property
    def spread(self) -> float | None:
        """How far half of the turns are from each other, halved, as a part of the value.

        All turns where they are few; None for a single one.
        """
        if len(self.values) == 1 or not self.value:
            return None
        low, high = min(self.values), max(self.values)
        if len(self.values) >= _QUARTILES_FROM:
            low, _, high = quantiles(self.values, n=4, method="inclusive")
        return (high - low) / 2 / abs(self.value)

    @property
    def text(self) -> str:
        """The value and its spread, as a table has them."""
        return number(self.value) + (f" ±{self.spread:.0%}" if self.spread is not None else "")


@dataclass
class Report:
    """What one bench has measured, on what, and what disturbed it."""

    part: str
    """The bench: `stops` is that of `make bench-stops`."""
    at: str
    revision: str
    machine: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """What is not installed or not built, and so not measured."""
    faults: list[str] = field(default_factory=list)
    """What the bench insists on and does not hold."""
    complete: bool = False
    others: float = 0.0
    """The part of the machine that others used meanwhile."""
    seconds: float = 0.0

    def add(
        self,
        name: str,
        subject: str,
        unit: str,
        better: Better,
        *values: float,
        best: bool = False,
    ) -> None:
        """Note a figure. Without a finite value, it was not measured."""
        if known := tuple(value for value in values if math.isfinite(value)):
            self.rows.append(Row(name, subject, unit, better, known, best))
        else:
            self.missing.append(f"{name}, {subject}: nothing to see")

    def named(self, name: str) -> dict[str, Row]:
        """Return the rows of a name, by subject."""
        return {row.subject: row for row in self.rows if row.name == name}

    def tables(self) -> list[list[list[str]]]:
        """Return tables of cells, the head first: those of names that have the same columns."""
        names: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            names.setdefault(row.name, {})[f"{row.subject}, {row.unit}"] = row
        groups: dict[tuple[str, ...], list[list[str]]] = {}
        for name, cells in names.items():
            group = groups.setdefault(tuple(cells), [["", *cells]])
            group.append([name, *(row.text for row in cells.values())])
        return list(groups.values())

    def remarks(self) -> Iterable[str]:
        """Yield sentences on how far the figures can be trusted, and what is not there."""
        spreads = [row.spread for row in self.rows if row.spread is not None]
        noise = "NOISY: trust ratios, not times" if self.others > NOISY else "quiet"
        yield f"Others used {self.others:.0%} of the machine in {self.seconds:.0f} s: {noise}."
        if spreads:
            yield f"The median spread of figures between turns was {median(spreads):.0%}."
        yield from (f"Not measured: {each}." for each in self.missing)
        yield from (f"NOT AS IT MUST BE: {each}." for each in self.faults)


def write(path: Path, reports: Iterable[Report]) -> None:
    """Write reports as JSON, a line for each row, so that a difference shows what changed."""
    text = json.dumps([asdict(report) for report in reports], indent=1)
    text = re.sub(r'\{\s+"name"[^{}]*\}', lambda found: _line(json.loads(found[0])), text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")


def read(text: str) -> list[Report]:
    """Return the reports of a JSON file."""
    return [
        Report(**{**each, "rows": [_row(row) for row in each["rows"]]}) for each in json.loads(text)
    ]


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that `percent` of all do not exceed; nan for none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.nan


def number(value: float) -> str:
    """Return a number with three digits that count, or all before the point."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.{1 if size >= 10 else 2 if size >= 1 else 3}f}"


def _row(fields: dict[str, Any]) -> Row:
    return Row(**{**fields, "better": Better(fields["better"]), "values": tuple(fields["values"])})


def _line(row: dict[str, Any]) -> str:
    return json.dumps({**row, "values": [float(f"{value:.4g}") for value in row["values"]]})
