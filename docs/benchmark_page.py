"""The parts of benchmarks.md, and the figures of the README, that come from the committed runs."""

import re
from html import escape

from tests.bench.results import RESULTS, ROOT, digest, newest
from tests.bench.rows import number


def machine() -> str:
    """Return what the newest run was made on, part by part, and what disturbed it."""
    run, path = newest()
    facts = next(iter(run.values())).machine
    lines = [f"| {name} | {value} |\n" for name, value in facts.items()]
    head = f"| machine | [figures](benchmarks/{path.name}) |\n| --- | --- |\n{''.join(lines)}\n"
    rows = [
        f"| [{each.part}](#{each.part}) | {each.at} | {each.revision} | {each.seconds:.0f} s "
        f"| {each.others:.0%} | {'; '.join(each.missing) or 'nothing'} "
        f"| {'; '.join(each.faults) or 'nothing'} |\n"
        for each in run.values()
    ]
    columns = ["part", "at", "revision", "took", "used by others", "not measured", "missed"]
    return f"{head}| {' | '.join(columns)} |\n|{' --- |' * len(columns)}\n{''.join(rows)}"


def figures(part: str) -> str:
    """Return the tables of a part, each row with an anchor."""
    report = newest()[0].get(part)
    return "\n".join(map(_table, report.tables())) if report else "Not measured on this machine.\n"


def plot(name: str, text: str) -> str:
    """Return a plot that has `text` for those who do not see it.

    Raises:
        SystemExit: it does not show the committed figures.
    """
    file = RESULTS / f"{name}.svg"
    if not file.exists():
        return ""
    if digest(newest()[1]) not in file.read_text(encoding="utf-8"):
        message = f"{file.relative_to(ROOT)} shows other figures: run make bench-page"
        raise SystemExit(message)
    return f'<img src="benchmarks/{name}.svg" alt="{escape(text)}">\n'


def value(part: str, name: str, subject: str) -> str:
    """Return a figure as a link from the README to its row.

    Raises:
        KeyError: there is no such row.
    """
    row = newest()[0][part].named(name)[subject]
    return f"[{number(row.value)}](docs/benchmarks.md#{anchor(name)})"


def anchor(name: str) -> str:
    """Return the anchor of the row of that name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _table(table: list[list[str]]) -> str:
    (_, *columns), *rows = table
    lines = [f"| | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    lines += [f'| <a id="{anchor(row[0])}"></a>{" | ".join(row)} |' for row in rows]
    return "\n".join(lines) + "\n"
