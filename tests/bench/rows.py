"""The common format of every bench's figures: rows, with one writer and one table.

The page, the plots and the comparison use only this. Needs the standard library alone.
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
"""If others used more of the machine than this, the figures are called noisy."""
RATIO = "ratio"
"""The unit of figures that compare between machines."""
_QUARTILES_FROM = 4
"""From this many values on, quartiles are used."""


class Better(StrEnum):
    """Whether larger or smaller values are better."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"
    """Neither: a figure of another program, or one that explains others."""


@dataclass(frozen=True)
class Row:
    """One figure."""

    name: str
    """What the figure is about: a line of a table."""
    subject: str
    """Whose it is: a column."""
    unit: str
    better: Better
    values: tuple[float, ...]
    """One for each turn."""
    best: bool = False
    """Whether the best turn counts, since other load can only slow a turn down."""

    @property
    def key(self) -> str:
        """The identity of the row, unique in a report."""
        return f"{self.name} | {self.subject} | {self.unit}"

    @property
    def value(self) -> float:
        """The best value, or the median."""
        if self.best:
            return min(self.values) if self.better is Better.LOWER else max(self.values)
        return median(self.values)

    @property
    def spread(self) -> float | None:
        """Half the interquartile range, divided by the value.

        Half the full range if there are few turns; None for a single one.
        """
        if len(self.values) == 1 or not self.value:
            return None
        low, high = min(self.values), max(self.values)
        if len(self.values) >= _QUARTILES_FROM:
            low, _, high = quantiles(self.values, n=4, method="inclusive")
        return (high - low) / 2 / abs(self.value)

    @property
    def text(self) -> str:
        """The value and its spread, as shown in tables."""
        return number(self.value) + (f" ±{self.spread:.0%}" if self.spread is not None else "")


@dataclass
class Report:
    """The figures of one bench, the machine, and what disturbed it."""

    part: str
    """The bench: `stops` for `make bench-stops`."""
    at: str
    revision: str
    machine: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """What was not measured because it is not installed or built."""
    faults: list[str] = field(default_factory=list)
    """The requirements of the bench that are not met."""
    complete: bool = False
    others: float = 0.0
    """The share of the machine that others used during the measurement."""
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
        """Add a figure. If it has no finite value, it counts as not measured."""
        if known := tuple(value for value in values if math.isfinite(value)):
            self.rows.append(Row(name, subject, unit, better, known, best))
        else:
            self.missing.append(f"{name}, {subject}: nothing to see")

    def named(self, name: str) -> dict[str, Row]:
        """Return the rows of this name, by subject."""
        return {row.subject: row for row in self.rows if row.name == name}

    def tables(self) -> list[list[list[str]]]:
        """Return tables of cells, header first; names with the same columns share a table."""
        names: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            names.setdefault(row.name, {})[f"{row.subject}, {row.unit}"] = row
        groups: dict[tuple[str, ...], list[list[str]]] = {}
        for name, cells in names.items():
            group = groups.setdefault(tuple(cells), [["", *cells]])
            group.append([name, *(row.text for row in cells.values())])
        return list(groups.values())

    def remarks(self) -> Iterable[str]:
        """Yield sentences about how reliable the figures are and what is missing."""
        spreads = [row.spread for row in self.rows if row.spread is not None]
        noise = "NOISY: trust ratios, not times" if self.others > NOISY else "quiet"
        yield f"Others used {self.others:.0%} of the machine in {self.seconds:.0f} s: {noise}."
        if spreads:
            yield f"The median spread of figures between turns was {median(spreads):.0%}."
        yield from (f"Not measured: {each}." for each in self.missing)
        yield from (f"NOT AS IT MUST BE: {each}." for each in self.faults)


def write(path: Path, reports: Iterable[Report]) -> None:
    """Write reports as JSON, one line per row, so that a diff shows what changed."""
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
    """Return the smallest value that at least `percent` of all do not exceed; nan for none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.nan


def number(value: float) -> str:
    """Return a number with three significant digits, or with all digits before the point."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.{1 if size >= 10 else 2 if size >= 1 else 3}f}"


def _row(fields: dict[str, Any]) -> Row:
    return Row(**{**fields, "better": Better(fields["better"]), "values": tuple(fields["values"])})


def _line(row: dict[str, Any]) -> str:
    return json.dumps({**row, "values": [float(f"{value:.4g}") for value in row["values"]]})
