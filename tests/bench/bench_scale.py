"""`make bench-scale`: one search over 1, 2, 4 and 8 servers of one worker each, and over thousands.

The servers search the same ranges, in turns. With fewer cores than servers they are not faster by
the clock, so the speed-up is computed from CPU time: the CPU seconds of the lone server divided by
those of the busiest server. As many machines would gain as much. Then a search with a match in its
first range: the time from the end of that range until all other ranges have stopped, by the
servers' own records. Then the client's cost (`AsyncFinder`) of an RPC and of a message, and a
simulation of larger fleets from these figures.

Exit codes: 0; 1 where the speed-up over 8 servers is below --at-least.
"""

import argparse
import asyncio
import base64
import hashlib
import math
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from statistics import median
from typing import Any
from unittest.mock import patch

from hashfinder.kernel import load_kernel
from hashfinder_client import AsyncFinder, BudgetSpentError, Query
from hashfinder_client.division import DEFAULT_RANGE_SIZE
from hashfinder_client.sharded_search import LEAD, ShardedSearch
from hashfinder_rules.keyspace import Keyspace
from tests.bench.load import DesignProcess, serving
from tests.bench.machine import CORES, bare_rate
from tests.bench.report import RATIO, Better, Report, run
from tests.bench.simulation import Costs, Fleet, search, stop_seconds
from tests.integration.replicas import NAME, NameServer

SERVERS = (1, 2, 4, 8)
RANGES = 128
"""Ranges of the measured search: enough that one more or less on a server hardly matters."""
SMALL_RANGES = 600
"""Ranges of the search that measures the cost of an RPC."""
WIDTH = 128
"""Ranges of the search that measures the cost of a progress message and of a cancel."""
MESSAGE_SECONDS = 2.0
MATCH = 2**44
"""Roughly where the matches are."""
FLEETS = (10, 100, 1000, 10_000)
RANGES_EACH = 20
"""Ranges per server of a simulated search: about ten minutes."""
FAN_OUT = 32
"""Of the simulated tree."""
DRAWS = 5


@dataclass(frozen=True)
class Servers:
    """Servers behind one name."""

    target: str
    processes: list[DesignProcess]

    async def snapshots(self) -> list[dict[str, Any]]:
        """Return a snapshot of each server."""
        return [await process.snapshot() for process in self.processes]


@asynccontextmanager
async def running(number: int) -> AsyncIterator[Servers]:
    """Run `number` servers of one worker each."""
    names, port = NameServer(), "0"
    async with AsyncExitStack() as stack:
        stack.enter_context(names.serving())
        processes = []
        for host in (f"127.0.0.{each}" for each in range(1, number + 1)):
            flags = ("--host", host, "--port", port, "--workers", "1")
            process = await stack.enter_async_context(serving("fair-chunks", *flags))
            port = process.address.rpartition(":")[2]
            processes.append(process)
            names.addresses.append(host)
        yield Servers(f"dns://127.0.0.1:{names.port}/{NAME}:{port}", processes)


async def searched(servers: Servers, hashes: int, ranges: int, width: int) -> list[float]:
    """Search `hashes` hashes without a match; return the CPU seconds of each server."""
    query = Query("hashfinderhashfinder", maximum_hashes=hashes)
    before = await servers.snapshots()
    with patch("hashfinder_client.settings.DEFAULT_RANGE_SIZE", -(-hashes // ranges)):
        async with AsyncFinder(servers.target) as finder:
            with suppress(BudgetSpentError):
                await finder.find(query, shards=width)
    after = await servers.snapshots()
    return [b["cpu_seconds"] - a["cpu_seconds"] for a, b in zip(before, after, strict=True)]


async def stopped(servers: Servers, width: int, rate: float, number: int) -> list[float] | None:
    """Return the seconds from the first match until each other server has stopped.

    None where the match came before all ranges had started. `number` selects the match.
    """
    match = MATCH + number * 2**32
    digest = hashlib.sha1(Keyspace().secret_at(match), usedforsecurity=False).digest()
    name = base64.b64encode(digest).decode()[:12]
    share = min(1, CORES / len(servers.processes)) * len(servers.processes) / width
    before = int(rate * (LEAD + 0.1 + 0.9 * share))
    begun = sum(each["begun"] for each in await servers.snapshots())
    async with AsyncFinder(servers.target) as finder:
        found = await finder.find(Query(name, start_position=match - before), shards=width)
    assert match == found.position
    await asyncio.sleep(0.3)
    after = await servers.snapshots()
    if sum(each["begun"] for each in after) - begun < width:
        return None
    first = [each["first_end"].get(name, math.inf) for each in after]
    has_it = first.index(min(first))
    free = [each["free_at"][name] for each in after]
    return [free[n] - first[has_it] for n in range(len(free)) if n != has_it or len(free) == 1]


async def client_costs(servers: Servers) -> dict[str, float]:
    """Return the client's CPU seconds for an RPC, a progress message, and a cancel."""
    began = time.process_time()
    await searched(servers, SMALL_RANGES * 20_000, SMALL_RANGES, 8)
    rpc = (time.process_time() - began) / SMALL_RANGES
    messages, take = 0, ShardedSearch.take

    def counted(self: ShardedSearch, *arguments: Any) -> Any:  # noqa: ANN401  # as it is
        nonlocal messages
        messages += 1
        return take(self, *arguments)

    async with AsyncFinder(servers.target, progress_interval=0.05) as finder:
        find = finder.find(Query("hashfinderhashfinder"), shards=WIDTH)
        with patch.object(ShardedSearch, "take", counted):
            searching = asyncio.create_task(find)
            await asyncio.sleep(3 * LEAD)
            began, before = time.process_time(), messages
            await asyncio.sleep(MESSAGE_SECONDS)
            message = (time.process_time() - began) / (messages - before)
            began = time.process_time()
            searching.cancel()
            await asyncio.wait([searching])
            cancel = (time.process_time() - began) / WIDTH
    return {"an RPC": rpc, "a progress message": message, "a cancel": cancel}


async def _measure(report: Report, arguments: argparse.Namespace) -> None:
    rate = bare_rate(load_kernel(), 1, 0.5)
    hashes = int(rate * arguments.seconds)
    cpu: dict[int, list[list[float]]] = {}
    stops: dict[int, list[list[float]]] = {}
    client: dict[str, list[float]] = {}
    for turn in range(arguments.turns):
        for number in SERVERS:
            print(f"Turn {turn + 1}, {number} servers", file=sys.stderr, flush=True)
            async with running(number) as servers:
                await searched(servers, hashes // 100, number, 2 * number)  # connects and warms up
                its = await searched(servers, hashes, RANGES, 2 * number)
                cpu.setdefault(number, []).append(its)
                for each in range(arguments.stops):
                    found = await stopped(servers, 2 * number, rate, 100 * turn + each)
                    if found:
                        stops.setdefault(number, []).append(found)
                if number == max(SERVERS):
                    for what, seconds in (await client_costs(servers)).items():
                        client.setdefault(what, []).append(seconds)
    _report(report, hashes, cpu, stops)
    for what, taken in client.items():
        micro = [1e6 * each for each in taken]
        report.add("CPU time of the client", f"for {what}", "µs", Better.LOWER, *micro)
    rpc, message, cancel = map(median, client.values())
    costs = Costs(rpc, message, cancel, [each for turn in stops[2] for each in turn])
    simulate(report, costs, DEFAULT_RANGE_SIZE / rate, arguments.seed)
    if report.named("speed-up")[_named(8)].value < arguments.at_least:
        report.faults.append(f"the speed-up over 8 servers is below {arguments.at_least}")


def _named(number: int) -> str:
    return f"{number:,} server{'s' if number > 1 else ''}"


def _report(
    report: Report,
    hashes: int,
    cpu: dict[int, list[list[float]]],
    stops: dict[int, list[list[float]]],
) -> None:
    for number, turns in cpu.items():
        who = _named(number)
        ups = [sum(one) / max(all_) for one, all_ in zip(cpu[1], turns, strict=True)]
        rates = [hashes / sum(turn) / 1e6 for turn in turns]
        report.add("hashes for a CPU second of the servers", who, "M/s", Better.HIGHER, *rates)
        report.add("speed-up", who, RATIO, Better.HIGHER, *ups)
        efficiencies = [up / number for up in ups]
        report.add("efficiency: speed-up for each server", who, RATIO, Better.HIGHER, *efficiencies)
        last = [1000 * max(turn) for turn in stops.get(number, [])]
        report.add("from the first match to all stopped", who, "ms", Better.LOWER, *last)


def simulate(report: Report, costs: Costs, range_seconds: float, seed: int) -> None:
    """Add rows about simulated fleets of servers."""
    print(f"The seed of the simulation is {seed}", file=sys.stderr)
    for servers in FLEETS:
        source, who = random.Random(seed), _named(servers)  # noqa: S311  # no secrets
        fleet = Fleet(servers, 2 * servers, range_seconds, RANGES_EACH * servers)
        outcome = search(replace(fleet, speed_deviation=0.0), costs, source)
        load, rpcs = 100 * outcome.load, outcome.rpcs
        report.add("simulated: load on the one client", who, "% of a core", Better.LOWER, load)
        if outcome.load < 1:
            differing = [search(fleet, costs, source).efficiency for _ in range(DRAWS)]
            name = "simulated: efficiency, servers"
            report.add(f"{name} alike", who, RATIO, Better.HIGHER, outcome.efficiency)
            report.add(f"{name} that differ", who, RATIO, Better.HIGHER, *differing)
            report.add("simulated: RPCs of the one client", who, "/s", Better.NEITHER, rpcs)
        else:
            report.missing.append(f"efficiency over {who}: one client does not keep up")
        for name, fan_out in (("one client", None), (f"a tree of {FAN_OUT}", FAN_OUT)):
            times = [stop_seconds(fleet, costs, source, fan_out=fan_out) for _ in range(DRAWS)]
            title = f"simulated: from the first match to all stopped, {name}"
            report.add(title, who, "ms", Better.LOWER, *(1000 * each for each in times))


def measure(report: Report, arguments: argparse.Namespace) -> None:
    """Measure, then simulate."""
    asyncio.run(_measure(report, arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="how often to measure each (3)")
    parser.add_argument(
        "--seconds", type=float, default=6.0, help="CPU seconds of the lone server, about (6)"
    )
    parser.add_argument("--stops", type=int, default=5, help="matches in a turn (5)")
    parser.add_argument("--seed", type=int, default=18, help="of the simulation (18)")
    parser.add_argument("--at-least", type=float, default=0.0, help="the speed-up to insist on")
    return parser


if __name__ == "__main__":
    sys.exit(run("scale", measure, _parser()))
