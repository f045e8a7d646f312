"""The parts of benchmarks.md, and the figures of the README, that come from the committed runs."""

import re
from html import escape

from docs.markdown_table import table
from tests.bench.results import DEFAULT_JOB, JAIN, OVER, RATE, RESULTS, ROOT, digest, newest
from tests.bench.rows import Report, number

_NO_ANSWER_MS = 3000.0
"""What the probe of health counts no answer as."""


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


def scale_table() -> str:
    """Return what `make bench-scale` measured and simulated, a line for each number of servers."""
    report = newest()[0]["scale"]
    names = {
        "efficiency: speed-up for each server": "measured efficiency",
        "simulated: efficiency, servers alike": "simulated, servers alike",
        "simulated: efficiency, servers that differ": "servers that differ",
        "simulated: load on the one client": "client's load, % of a core",
        "simulated: RPCs of the one client": "its RPCs a second",
        "from the first match to all stopped": "match to all stopped, measured, ms",
        "simulated: from the first match to all stopped, one client": "simulated, one client, ms",
        "simulated: from the first match to all stopped, a tree of 32": "a tree of 32, ms",
    }
    whose = dict.fromkeys(row.subject for row in report.rows if "server" in row.subject)
    rows = [
        (
            who,
            *(number(row.value) if (row := report.named(name).get(who)) else "" for name in names),
        )
        for who in whose
    ]
    return table(("servers", *names.values()), rows)


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


def promises() -> str:
    """Return the README's first table: 64 searches in three designs. Each row links its figures."""
    report = newest()[0]["stops"]
    rows = (
        ("from a cancel until the CPU is free, p50 and p99", "cancel to free", " ms"),
        ("share of each client (Jain's index, 1 is equal)", JAIN, ""),
        ("health check, p50 and p99", "health check", " ms"),
        ("hash rate for a CPU second, the bare kernel is 1", RATE, ""),
    )
    lines = []
    for title, name, unit in rows:
        names = [f"64 searches: {name}{which}" for which in ((", p50", ", p99") if unit else ("",))]
        cells = []
        for design in ("fair-chunks", "thread-per-rpc", "to-thread"):
            values = [report.named(each)[design].value for each in names]
            text = " and ".join(map(number, values)) + unit
            cells.append("no answer in 3 s" if values[0] >= _NO_ANSWER_MS else text)
        link = f"[figures]({_row(names[0])})"
        lines.append((title, *cells, link))
    head = ("", "HashFinder", "a thread per RPC", "`asyncio.to_thread`", "")
    return f"{table(head, lines)}\n{_origin(report)}\n"


def fastest() -> str:
    """Return the README's sentence on the kernel of the machine of the newest run."""
    report = newest()[0]["kernel"]
    backend = report.machine["kernel"]
    rate = report.named(DEFAULT_JOB)[backend].value
    times = report.named(OVER)["OpenSSL"].value
    return (
        f"On the machine of the newest run (`{backend}`) it is [{rate:.0f} million]"
        f"({_row(DEFAULT_JOB)}), [{times:.0f} times]({_row(OVER)}) OpenSSL.\n"
    )


def _row(name: str) -> str:
    return f"docs/benchmarks.md#{anchor(name)}"


def _origin(report: Report) -> str:
    return (
        f"(`make bench-{report.part}` on {report.machine['cpu']}, {report.machine['cores']} cores, "
        f"at {report.at}; others used {report.others:.0%} of the machine.)"
    )


def anchor(name: str) -> str:
    """Return the anchor of the row of that name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _figures(cells: list[list[str]]) -> str:
    head, *rows = cells
    anchored = ((f'<a id="{anchor(name)}"></a>{name}', *values) for name, *values in rows)
    return table(tuple(head), anchored)
