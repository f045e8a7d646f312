"""Draw docs/benchmarks/*.svg from the newest run: `make bench-page`.

Runs in the environment of requirements/bench.txt. Each file has the digest of its figures and of
this code, which `make docs-check` compares without that environment. A function for each plot makes
it longer than 250 lines.
"""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from tests.bench.charts import (
    FAINT,
    FOURTH,
    GRID,
    INK,
    OTHER,
    OURS,
    STYLE,
    THIRD,
    WIDTH,
    apart,
    as_svg,
    bar,
    panel,
    span,
)
from tests.bench.results import DEFAULT_JOB, JAIN, RATE, RESULTS, SHORT, digest, newest
from tests.bench.rows import Report, number

DESIGNS = {"fair-chunks": OURS, "thread-per-rpc": OTHER, "to-thread": THIRD}
TITLES = {
    "fair-chunks": "HashFinder",
    "thread-per-rpc": "a thread per RPC",
    "to-thread": "asyncio.to_thread",
}


def kernel(report: Report) -> Figure:
    """Each job as a line, each instruction set as a dot, OpenSSL and hashcat as lines across."""
    names = list(dict.fromkeys(row.name for row in report.rows if row.unit == "M/s"))
    first, last = (names.index(name) for name in (DEFAULT_JOB, SHORT))
    jobs = names[first:last]
    figure = Figure((WIDTH, 1.6 + 0.42 * len(jobs)))
    axes = figure.subplots()
    panel(
        axes,
        "How fast each job is searched, by instruction set",
        "million candidates per CPU second of one core; more is better",
        [job.replace("default: ", "the default: ") for job in jobs],
    )
    backends = [each for each in report.named(jobs[0]) if each != "python"]
    colours = dict(zip(backends, (OURS, THIRD, OTHER, FAINT, INK, FOURTH), strict=False))
    for line, job in enumerate(jobs):
        rows = report.named(job)
        for n, (backend, colour) in enumerate(colours.items()):
            if backend in rows:
                at = line + apart(n, len(colours))
                axes.plot([rows[backend].value], [at], "o", color=colour, markersize=5)
        axes.axhline(line + 0.5, color=GRID, linewidth=0.5)
    for n, (backend, colour) in enumerate(colours.items()):
        axes.text(
            0.99,
            0.38 - 0.065 * n,
            f"● {backend.removeprefix('native-')}",
            transform=axes.transAxes,
            color=colour,
            ha="right",
        )
    for who, row in report.named(SHORT).items():
        if who in {"OpenSSL", "hashcat"}:
            axes.axvline(row.value, color=INK, linewidth=1, linestyle=(0, (4, 3)))
            text = f"{who}, bare SHA-1: {number(row.value)}"
            axes.annotate(text, (row.value, len(jobs) - 0.5), (4, 2), textcoords="offset points")
    axes.set_xlim(left=0)
    return figure


def vanity(report: Report) -> Figure:
    """The CPU time of a vanity commit, beside lucky-commit."""
    rows = report.named("2^28 hashes of a commit")
    rows = dict(sorted(rows.items(), key=lambda each: each[1].value))
    figure = Figure((WIDTH, 1.2 + 0.34 * len(rows)))
    axes = figure.subplots()
    names = {"five blocks": "HashFinder, five blocks a candidate", "lucky-commit": "lucky-commit"}
    labels = [names.get(who, f"HashFinder, {who.removeprefix('native-')}") for who in rows]
    panel(axes, "2²⁸ commit ids", "CPU seconds; less is better", labels)
    for line, (who, row) in enumerate(rows.items()):
        colour = OTHER if who == "lucky-commit" else OURS
        bar(axes, line, row.value, colour, f"{number(row.value)} s")
    axes.set_xlim(right=1.12 * max(row.value for row in rows.values()))
    return figure


def _by_design(figure: Figure, report: Report, titles: list[str], lines: list[str]) -> None:
    """Draw cancels and health checks, of each design under each load, a line each."""
    for axes, what in zip(figure.subplots(1, 2, sharey=True), WHAT, strict=True):
        panel(axes, WHAT[what], "milliseconds, median ● and 99th percentile |", lines, log=True)
        for level, title in enumerate(titles):
            low, high = (report.named(f"{title}: {what}, {which}") for which in ("p50", "p99"))
            for n, (design, colour) in enumerate(DESIGNS.items()):
                if design in low and design in high:
                    least, most = max(0.1, low[design].value), high[design].value
                    text = "no answer in 3 s" if least >= 3000 else ""
                    if level == 0 and len(titles) > 1:
                        text = TITLES[design]
                    span(axes, len(DESIGNS) * level + n, least, max(least, most), colour, text)
            if level:
                axes.axhline(len(DESIGNS) * level - 0.5, color=GRID, linewidth=0.8)
        axes.set_xlim(0.2, 60_000)


WHAT = {
    "cancel to free": "From a cancel until the CPU is free",
    "health check": "Health checks meanwhile",
}


def stops(report: Report) -> Figure:
    """Cancels and health checks of each design under each load."""
    levels = [row.name for row in report.rows if row.name.endswith("cancel to free, p50")]
    titles = list(dict.fromkeys(each.split(":")[0] for each in levels if "opened" not in each))
    figure = Figure((WIDTH, 1.4 + 0.62 * len(titles)))
    lines = [title if n == 1 else "" for title in titles for n in range(len(DESIGNS))]
    _by_design(figure, report, titles, lines)
    return figure


def storm(report: Report) -> Figure:
    """Cancels and health checks of each design in a storm."""
    title = next(row.name for row in report.rows if "then all cancelled" in row.name).split(":")[0]
    figure = Figure((WIDTH, 2.2))
    figure.suptitle(f"{title} at once", x=0.125, y=1.16, ha="left", fontweight="bold")
    _by_design(figure, report, [title], [TITLES[design] for design in DESIGNS])
    return figure


def shares(report: Report) -> Figure:
    """Jain's index and the hash rate."""
    wanted = {
        JAIN: "How equal the clients' shares are",
        RATE: "Hash rate for a CPU second",
    }
    units = ("Jain's index: 1 is equal, ¼: one of four has all", "the bare kernel is 1")
    titles = list(
        dict.fromkeys(row.name.split(":")[0] for row in report.rows if row.name.endswith(JAIN))
    )
    figure = Figure((WIDTH, 1.4 + 0.42 * len(titles)))
    for axes, (what, title), unit in zip(
        figure.subplots(1, 2, sharey=True), wanted.items(), units, strict=True
    ):
        panel(axes, title, unit, titles)
        for line, level in enumerate(titles):
            rows = report.named(f"{level}: {what}")
            for n, (design, colour) in enumerate(DESIGNS.items()):
                if design in rows:
                    at = line + apart(n, len(DESIGNS))
                    axes.plot([rows[design].value], [at], "o", color=colour, markersize=6.5)
        axes.set_xlim(0.2, 1.1)
    for n, (design, colour) in enumerate(DESIGNS.items()):  # where no rate is
        figure.axes[1].text(0.23, n * 0.5 - 0.2, f"● {TITLES[design]}", color=colour)
    return figure


def hops(report: Report) -> Figure:
    """The end of a search after each kind of disconnect."""
    ways = [row.name for row in report.rows if row.subject == "went on"]
    figure = Figure((WIDTH, 1.3 + 0.32 * len(ways)))
    axes = figure.subplots()
    title = "From a client's disconnect to the end of its search"
    panel(axes, title, "milliseconds, median ● and 99th percentile |; less is better", ways)
    most = max(row.value for row in report.rows if row.subject == "p99")
    for line, way in enumerate(ways):
        rows = report.named(way)
        colour = OTHER if way.startswith("plain") else FAINT if way.startswith("gRPC") else OURS
        if "p50" in rows:
            low, high = rows["p50"].value, rows["p99"].value
            span(axes, line, low, high, colour, f"{number(low)}, {number(high)}")
        else:
            text = "never: the RPC keeps running"
            axes.text(most * 0.02, line, text, color=colour, va="center")
    axes.set_xlim(0, 1.2 * most)
    return figure


def small(report: Report) -> Figure:
    """Small searches beside an empty handler, and one at a time beside other streams."""
    panels = (
        ("small searches", "Small searches, 32 at once", "searches per second; more is better"),
        ("one small search at a time", "One at a time", "milliseconds; less is better"),
    )
    figure = Figure((WIDTH, 1.75))
    for axes, (name, title, unit) in zip(
        figure.subplots(1, 2, gridspec_kw={"wspace": 0.95}), panels, strict=True
    ):
        rows = report.named(name)
        panel(axes, title, unit, list(rows))
        for line, (who, row) in enumerate(rows.items()):
            colour = FAINT if who in {"bare grpc.aio", "idle server"} else OURS
            bar(axes, line, row.value, colour, number(row.value))
        axes.set_xlim(right=1.2 * max(row.value for row in rows.values()))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    return figure


def server(report: Report) -> Figure:
    """The resources of a server, as parts of its budgets."""
    pairs = [
        (name, rows["server"], rows["budget"])
        for name in dict.fromkeys(row.name for row in report.rows)
        if "budget" in (rows := report.named(name))
    ]
    figure = Figure((WIDTH, 1.3 + 0.32 * len(pairs)))
    axes = figure.subplots()
    title = "The resources of a server, as a part of their budgets"
    panel(axes, title, "per cent; less is better", [name for name, *_ in pairs])
    for line, (_, row, budget) in enumerate(pairs):
        bar(axes, line, 100 * row.value / budget.value, OURS, "")
        text = f"{number(row.value)} of {number(budget.value)} {row.unit}"
        axes.text(102, line, text, va="center")  # behind the line of 100 %
    axes.axvline(100, color=INK, linewidth=1)
    axes.set_xlim(0, 130)
    return figure


def security(report: Report) -> Figure:
    """What TLS, tokens and a policy cost, beside plain text."""
    names = [row.name for row in report.rows if row.name.endswith("times plain")]
    names = list(dict.fromkeys(names))
    cases = list(report.named(names[0]))
    figure = Figure((WIDTH, 1.3 + 0.27 * len(names) * len(cases)))
    axes = figure.subplots()
    labels = [f"{name.removesuffix(', times plain')}: {case}" for name in names for case in cases]
    panel(axes, "What TLS, tokens and a policy cost", "times plain text; less is better", labels)
    axes.axvline(1, color=INK, linewidth=1)
    rows = [report.named(name)[case] for name in names for case in cases]
    for line, row in enumerate(rows):
        axes.plot([1, row.value], [line, line], color=OURS, linewidth=2.2)
        axes.plot([row.value], [line], "o", color=OURS, markersize=6)
        at = max(1, row.value)
        axes.annotate(
            number(row.value), (at, line), (8, 0), textcoords="offset points", va="center"
        )
    axes.set_xlim(min(0.8, *(row.value for row in rows)), 1.1 * max(row.value for row in rows))
    return figure


def scale(report: Report) -> Figure:
    """Efficiency, time to stop all, load on the client: measured, and simulated."""
    figure = Figure((WIDTH, 3.1))
    figure.subplots_adjust(wspace=0.42)
    names = ("Efficiency", "From match to all stopped", "Load on the client")
    units = ("speed-up per server; 1 is ideal", "milliseconds", "per cent of a core")
    series: tuple[list[tuple[str, str, str]], ...] = (
        [
            ("efficiency: speed-up for each server", INK, "measured"),
            ("simulated: efficiency, servers alike", OURS, "simulated, equal servers"),
            ("simulated: efficiency, servers that differ", OTHER, "of different speeds"),
        ],
        [
            ("from the first match to all stopped", INK, "measured"),
            ("simulated: from the first match to all stopped, one client", OURS, "one client"),
            (
                "simulated: from the first match to all stopped, a tree of 32",
                THIRD,
                "a tree of 32",
            ),
        ],
        [("simulated: load on the one client", OURS, "one client")],
    )
    for axes, name, unit, lines in zip(figure.subplots(1, 3), names, units, series, strict=True):
        panel(axes, name, unit, [])
        axes.yaxis.set_tick_params(labelcolor=FAINT)
        axes.set_xscale("log")
        axes.set_xticks([1, 10, 100, 1000, 10_000], ["1", "10", "100", "1k", "10k"])
        axes.set_xlabel("servers")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(axis="y", color=GRID, linewidth=0.6)
        for label_line, (key, colour, text) in enumerate(lines):
            rows = report.named(key)
            points = [(_servers(who), row.value) for who, row in rows.items()]
            axes.plot(*zip(*points, strict=True), "o-", color=colour, markersize=4.5, linewidth=1.6)
            height = (
                0.04 + 0.085 * (len(lines) - 1 - label_line) + (0 if name == "Efficiency" else 0.68)
            )
            axes.text(0.03, height, text, transform=axes.transAxes, color=colour)
        if name == "Efficiency":
            axes.set_ylim(0.5, 1.12)
            axes.set_yticks([0.6, 0.8, 1.0], ["0.6", "0.8", "1"])
        else:
            axes.set_yscale("log")
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    return figure


def _servers(who: str) -> int:
    return int(who.split(maxsplit=1)[0].replace(",", ""))


PLOTS: dict[str, tuple[str, Callable[[Report], Figure]]] = {
    "kernel": ("kernel", kernel),
    "vanity": ("vanity", vanity),
    "stops": ("stops", stops),
    "shares": ("stops", shares),
    "storm": ("stops", storm),
    "hops": ("hops", hops),
    "small": ("small", small),
    "server": ("small", server),
    "security": ("security", security),
    "scale": ("scale", scale),
}
"""By file: the part that it shows, and what draws it."""


def main() -> None:
    """Draw all plots, and remove files of plots that no longer exist."""
    run, path = newest()
    mark = digest(path)
    drawn: set[Path] = set()
    with mpl.rc_context(STYLE):
        for name, (part, draw) in PLOTS.items():
            if part in run:
                target = RESULTS / f"{name}.svg"
                target.write_text(as_svg(draw(run[part]), mark), encoding="utf-8")
                drawn.add(target)
    for old in set(RESULTS.glob("*.svg")) - drawn:
        old.unlink()


if __name__ == "__main__":
    main()
