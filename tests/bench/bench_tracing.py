"""`make bench-tracing`: what spans cost a server: its CPU time for a small search.

Servers in turns, under the load of `make bench-small`: one whose lines that ask for spans are taken
out, one that does not trace, one that samples no trace, and one that sends a span of each RPC to a
receiver, which this process is.
"""

import argparse
import sys
from contextlib import ExitStack

from tests.bench import small_load
from tests.bench.machine import cpu_seconds
from tests.bench.report import RATIO, Better, Report, run
from tests.integration.server_process import run_server
from tests.tracing.receiver import run_receiver

_WITHOUT = """
from hashfinder.transport.report import Reports
Reports.trace = lambda *_: None
"""
_OFF = "off"


def measure(report: Report, arguments: argparse.Namespace) -> None:
    """Measure all servers in turns, so that all see the same noise."""
    with ExitStack() as stack:
        receiver = stack.enter_context(run_receiver())
        traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint}
        none = {**traces, "OTEL_TRACES_SAMPLER": "always_off"}
        servers = {
            "without its lines": run_server(before=_WITHOUT),
            _OFF: run_server(),
            "on, not sampled": run_server("--tracing", env=none),
            "on": run_server("--tracing", env=traces),
        }
        running = {name: stack.enter_context(server) for name, server in servers.items()}
        costs: dict[str, list[float]] = {name: [] for name in running}
        for number in range(arguments.turns + 1):
            for name, server in running.items():
                before = cpu_seconds(server.process.pid)
                rate = small_load.rate(server.address, arguments.seconds)
                used = cpu_seconds(server.process.pid) - before
                if number:  # the first turn warms up
                    costs[name].append(1e6 * used / (rate * arguments.seconds))
    name = "CPU time of the server for an RPC"
    for subject, values in costs.items():
        report.add(name, f"tracing {subject}", "µs", Better.LOWER, *values)
    for subject, values in costs.items():
        if subject != _OFF:
            ratios = [one / off for one, off in zip(values, costs[_OFF], strict=True)]
            report.add(f"{name}, tracing off = 1", subject, RATIO, Better.NEITHER, *ratios)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of load in a turn (4)")
    return parser


if __name__ == "__main__":
    sys.exit(run("tracing", measure, _parser()))
