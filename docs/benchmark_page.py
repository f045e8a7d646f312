"""The parts of benchmarks.md that come from the committed runs."""

import re
from html import escape

from docs.markdown_table import table
from tests.bench.results import RESULTS, ROOT, digest, newest


def machine() -> str:
    """Return what the newest run was made on, part by part, and what disturbed it."""
    run, path = newest()
    facts = next(iter(run.values())).machine
    head = ("machine", f"[figures](benchmarks/{path.name})")
    rows = [
        (
            f"[{each.part}](#{each.part})",
            each.at,
            each.revision,
            f"{each.seconds:.0f} s" if each.seconds else "not noted",
            f"{each.others:.0%}",
            "; ".join(each.missing) or "nothing",
            "; ".join(each.faults) or "nothing",
        )
        for each in run.values()
    ]
    columns = ("part", "at", "revision", "took", "used by others", "not measured", "missed")
    return f"{table(head, facts.items())}\n{table(columns, rows)}"


def figures(part: str) -> str:
    """Return the tables of a part, each row with an anchor."""
    report = newest()[0].get(part)
    return (
        "\n".join(map(_figures, report.tables())) if report else "Not measured on this machine.\n"
    )


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


def anchor(name: str) -> str:
    """Return the anchor of the row of that name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _figures(cells: list[list[str]]) -> str:
    head, *rows = cells
    anchored = ((f'<a id="{anchor(name)}"></a>{name}', *values) for name, *values in rows)
    return table(tuple(head), anchored)
