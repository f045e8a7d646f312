"""Tables of measured figures in the README and the guides, from the newest committed run.

Each figure stands in docs/benchmarks/*.json alone: no page has one that was typed by hand.
"""

from docs.benchmark_page import anchor
from docs.markdown_table import table
from tests.bench.results import DEFAULT_JOB, JAIN, OVER, RATE, newest
from tests.bench.rows import Report, Row, number

_NO_ANSWER_MS = 3000.0
"""The latency recorded for a health check without an answer."""
_DESIGNS = {
    "fair-chunks": "HashFinder",
    "thread-per-rpc": "a thread per RPC",
    "to-thread": "`asyncio.to_thread`",
}
_STORM = "3,000 opened, then all cancelled"


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
        for design in _DESIGNS:
            values = [report.named(each)[design].value for each in names]
            text = " and ".join(map(number, values)) + unit
            cells.append("no answer in 3 s" if values[0] >= _NO_ANSWER_MS else text)
        link = f"[figures]({_row(names[0])})"
        lines.append((title, *cells, link))
    return f"{table(('', *_DESIGNS.values(), ''), lines)}\n{_origin(report)}\n"


def fastest() -> str:
    """Return the README's promise about the kernel."""
    report = newest()[0]["kernel"]
    backend = report.machine["kernel"]
    rate = report.named(DEFAULT_JOB)[backend].value
    others = report.named(OVER)
    beside = [f"{number(others['OpenSSL'].value)} times what OpenSSL hashes of short messages"]
    if "hashcat" in others:
        times = number(others["hashcat"].value)
        beside.append(f"{times} times what hashcat hashes without a score")
    return (
        f"* **It is fast.** One core computes and scores [{rate:.0f} million candidates"
        f" per second]({_row(DEFAULT_JOB)}):\n  [{' and '.join(beside)}]({_row(OVER)}).\n"
        f"  {_origin(report)} [Other CPUs](docs/kernel.md#how-fast-it-is).\n"
    )


def stops_table() -> str:
    """Return cancels, health checks, shares and rates of the three designs under each load."""
    report = newest()[0]["stops"]
    loads = dict.fromkeys(
        row.name.split(": ")[0] for row in report.rows if row.name.endswith(f": {JAIN}")
    )
    rows = []
    for load in loads:
        for design, title in _DESIGNS.items():
            of = _Values(report, load, design)
            begun, asked = of["searches that began"], int(load.split()[0])
            missing = f", and {number(asked - begun)} never began" if begun < asked else ""
            rows.append(
                (
                    load,
                    title,
                    number(of[JAIN]),
                    of.pair("cancel to free") + missing,
                    of.pair("health check"),
                    number(of[RATE]),
                    number(of["CPU time that is the kernel's"]),
                )
            )
    head = ("load", "design", JAIN, "cancel to free, ms", "health check, ms", RATE, "in the kernel")
    return f"{table(head, rows)}\n{_origin(report)} Pairs are p50 and p99.\n"


def storm_table() -> str:
    """Return the storms of the three designs."""
    report = newest()[0]["stops"]
    titles = {
        "searches that began": "searches that began",
        "all free": "all free after, ms",
        "health check": "health check, p50 and p99, ms",
        "most memory": "most memory, MiB",
        "searches, tasks and threads left behind": "left behind",
    }
    rows = []
    for design, title in _DESIGNS.items():
        of = _Values(report, _STORM, design)
        cells = (of.pair(n) if n == "health check" else of.range(n) for n in titles)
        rows.append((title, *cells))
    return f"{table(('design', *titles.values()), rows)}\n{_origin(report)}\n"


def hops_table() -> str:
    """Return how soon the search of a lost client ends, for each way to disconnect."""
    report = newest()[0]["hops"]
    rows = []
    for way, leaked in ((r.name, r) for r in report.rows if r.subject == "went on"):
        row = report.named(way)
        latencies = [number(row[p].value) if p in row else "" for p in ("p50", "p99")]
        rows.append((way, *latencies, f"{number(leaked.value)} %"))
    return f"{table(('disconnect', 'p50, ms', 'p99, ms', 'leaked'), rows)}\n{_origin(report)}\n"


def connections_table() -> str:
    """Return what two hundred connections cost the gateway, and searches beside them."""
    report = newest()[0]["hops"]
    memory = {who: number(row.value) for who, row in report.named("memory of the gateway").items()}
    searches = "200 searches, each with a report a second: "
    others = "100 pages that look and 100 clients that do not read: "
    cpu = "CPU time of the gateway"
    rate = "a search over gRPC, hashes for a CPU second of the server"
    rows = [
        ("none", memory["idle"], "", "1"),
        (
            "200 searches, each with a report a second",
            memory["with 200 searches"],
            number(_only(report, f"{searches}{cpu}")),
            number(_only(report, f"{searches}of the rate over gRPC")),
        ),
        (
            "100 pages that read `/metrics` once a second, 100 searches that nobody reads",
            number(_only(report, f"{others}memory of the gateway")),
            number(_only(report, f"{others}{cpu}")),
            number(_only(report, f"{others}{rate}")),
        ),
    ]
    head = ("connections", "memory, MB", "CPU, % of a core", "hash rate beside them, alone = 1")
    return f"{table(head, rows)}\n{_origin(report)}\n"


def vanity_table() -> str:
    """Return the CPU time of a vanity commit beside lucky-commit, and times by the clock."""
    report = newest()[0]["vanity"]
    times = report.named("lucky-commit's CPU time, times ours")
    rows = [
        (
            f"HashFinder, {who}" if who in times else who,
            number(row.value),
            number(times[who].value) if who in times else "",
        )
        for who, row in report.named("2^28 hashes of a commit").items()
    ]
    clock = " and ".join(
        f"{number(row.value)} s with {who}"
        for who, row in report.named("7 hex digits by the clock").items()
    )
    return (
        f"{table(('', 'CPU seconds', 'times fewer'), rows)}\n"
        f"Seven hex digits take {clock}, at the median by the clock.\n{_origin(report)}\n"
    )


def budgets_table() -> str:
    """Return what a server takes, beside its budgets."""
    report = newest()[0]["small"]
    rows = [
        (row.name, f"{number(row.value)} {row.unit}", f"{number(budget.value)} {row.unit}")
        for row in report.rows
        if row.subject == "server" and (budget := report.named(row.name).get("budget"))
    ]
    return f"{table(('what', 'measured', 'budget'), rows)}\n{_origin(report)}\n"


def security_table() -> str:
    """Return what each way to connect costs, as ratios to plain text."""
    report = newest()[0]["security"]
    names = [name for name in dict.fromkeys(r.name for r in report.rows) if "times plain" in name]
    ways = report.named(names[0])
    rows = [(way, *(number(report.named(name)[way].value) for name in names)) for way in ways]
    return f"{table(('plain text is 1', *names), rows)}\n{_origin(report)}\n"


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


def _row(name: str) -> str:
    return f"docs/benchmarks.md#{anchor(name)}"


def _origin(report: Report) -> str:
    return (
        f"(`make bench-{report.part}` on {report.machine['cpu']}, {report.machine['cores']} cores, "
        f"at {report.at}; others used {report.others:.0%} of the machine.)"
    )


def _only(report: Report, name: str) -> float:
    """Return the value of a row whose name has one subject."""
    (row,) = report.named(name).values()
    return row.value


class _Values:
    """The values of one design under one load."""

    def __init__(self, report: Report, load: str, design: str) -> None:
        self._report = report
        self._load = load
        self._design = design

    def _row(self, name: str) -> Row:
        return self._report.named(f"{self._load}: {name}")[self._design]

    def __getitem__(self, name: str) -> float:
        """Return the value of a row."""
        return self._row(name).value

    def pair(self, name: str) -> str:
        """Return p50 and p99 of a latency."""
        p50, p99 = self[f"{name}, p50"], self[f"{name}, p99"]
        return "no answer in 3 s" if p50 >= _NO_ANSWER_MS else f"{number(p50)} and {number(p99)}"

    def range(self, name: str) -> str:
        """Return the value, or the least and the most of several."""
        low, high = number(min(self._row(name).values)), number(max(self._row(name).values))
        return low if low == high else f"{low} to {high}"
