"""The measurements: one design under one steady load, and one design in a storm.

Latencies are measured in rounds, with a percentile of each. The worst of some dozen cancels says
little alone: between two rounds of the same server it differs by a factor of three.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice, pairwise
from math import inf
from typing import Any

from tests.bench.load import Clients, DesignProcess, OpenSearch, health_probed, serving, until
from tests.bench.rows import percentile

_OPEN_SECONDS = 6.0
_STORM_SECONDS = 15.0
"""The longest wait for searches to begin; the measurement then starts without the rest."""
_FREE_SECONDS = 3.0
"""How long to wait for a cancelled search to be free, in seconds."""
_NOT_FREE = 1000 * _FREE_SECONDS
"""The milliseconds recorded for a search that is not free by then."""
_LAST_SCAN_SECONDS = 0.05
_MESSAGES_PER_SECOND = 64
_CANCEL_PERIOD_SECONDS = 0.06


@dataclass(frozen=True)
class Times:
    """How long each phase of a measurement lasts."""

    settle: float
    window: float
    cancels: int
    """How many searches are cancelled in a round, one after the other."""


@dataclass(frozen=True)
class Latencies:
    """Percentiles of latencies in milliseconds, one value for each round or storm."""

    free_p50: list[float]
    free_p99: list[float]
    """From the client's cancel to the end of the handler and the last scan."""
    health_p50: list[float]
    health_p99: list[float]


@dataclass(frozen=True)
class Cell:
    """One design under one load."""

    begun: int
    """How many searches the server had begun at the start of the window."""
    jain: float
    """Jain's index over the clients' hashes, computed from their progress messages."""
    stuck: int
    """How many cancelled searches were not free within the waiting time."""
    latencies: Latencies
    rate: float
    """Million hashes a second."""
    rate_per_cpu: float
    """Million hashes per CPU second of the server's process, including all its other work."""
    kernel_share: float
    """The part of that CPU time spent in the kernel."""


@dataclass(frozen=True)
class Storm:
    """Many searches opened, then all cancelled. Times in milliseconds, memory in MiB."""

    begun: list[int]
    """How many searches the server had begun when all were cancelled, for each storm."""
    all_free_after: list[float]
    """The time of the slowest search, for each storm."""
    latencies: Latencies
    left: int
    """How many searches still run at the end, or how many tasks or threads are left."""
    most_rss: int


def unequal(searches: int) -> list[int]:
    """Divide searches among up to four clients unevenly: 1, 8, 64 and the rest."""
    parts = [part for part in (1, 8, 64) if 2 * part < searches]
    return [*parts, searches - sum(parts)]


def jain(shares: Sequence[float]) -> float:
    """Return Jain's fairness index: 1 for equal shares, 1/n where one has all."""
    squares = len(shares) * sum(share**2 for share in shares)
    return sum(shares) ** 2 / squares if squares else 0.0


async def measure_cell(design: str, searches: int, times: Times, rounds: int) -> Cell:
    """Load a new server of a design, measure for a while, then cancel one search at a time."""
    measured = _Rounds()
    counts = unequal(searches)
    # Few messages a second, so that they are not the load, but at least two for each search.
    progress_seconds = max(times.window / 5, searches / _MESSAGES_PER_SECOND)
    window = max(times.window, 2.5 * progress_seconds)
    async with serving(design) as server:
        clients = Clients(server.address, counts)
        await clients.connect()
        clients.open_all(progress_seconds)
        await until(server.counts, partial(_begun, searches), _OPEN_SECONDS)
        await asyncio.sleep(times.settle)
        begin = await server.snapshot()
        await asyncio.sleep(window)
        end = await server.snapshot()
        reported = [
            sum(search.hashes_between(begin["wall"], end["wall"]) for search in client)
            for client in clients.searches
        ]
        scanned = [
            sum(end["hashes"].get(s.name, 0) - begin["hashes"].get(s.name, 0) for s in client)
            for client in clients.searches
        ]
        # After the window, because forty checks a second take some percent of a server in Python.
        async with health_probed(server.address) as health:
            for _ in range(rounds):
                measured.begin()
                cancelled = await _cancel_in_turn(clients, times.cancels, progress_seconds)
                names = {search.name for search in cancelled}
                await until(server.snapshot, partial(_none_runs, names), _FREE_SECONDS)
                measured.free.append(await _free_milliseconds(server, cancelled))
        await clients.close()
    seconds, cpu_seconds, kernel_seconds = (
        end[key] - begin[key] for key in ("wall", "cpu_seconds", "kernel_seconds")
    )
    return Cell(
        begun=begin["begun"],
        jain=jain(reported),
        stuck=sum(ms >= _NOT_FREE for free in measured.free for ms in free),
        latencies=measured.latencies(health),
        rate=sum(scanned) / seconds / 1e6,
        rate_per_cpu=sum(scanned) / cpu_seconds / 1e6,
        kernel_share=kernel_seconds / cpu_seconds,
    )


async def measure_storm(design: str, searches: int, storms: int) -> Storm:
    """Open many searches and cancel all at once, several times; measure health and leftovers."""
    measured = _Rounds()
    begun: list[int] = []
    async with serving(design) as server:
        idle = await server.snapshot()
        most_rss = idle["rss"]
        async with health_probed(server.address) as health:
            for storm in range(1, storms + 1):
                measured.begin()
                clients = Clients(server.address, unequal(searches))
                await clients.connect()
                clients.open_all()
                peak = await until(server.counts, partial(_begun, storm * searches), _STORM_SECONDS)
                cancelled = clients.cancel_all()
                await until(server.counts, lambda now: now["ended"] == now["begun"], _FREE_SECONDS)
                measured.free.append(await _free_milliseconds(server, cancelled))
                await clients.close()
                begun.append(peak["begun"] - sum(begun))
                most_rss = max(most_rss, peak["rss"], (await server.counts())["rss"])
        left = await until(
            server.snapshot, lambda now: now["tasks"] <= idle["tasks"], _FREE_SECONDS
        )
    return Storm(
        begun=begun,
        all_free_after=[max(free) for free in measured.free],
        latencies=measured.latencies(health),
        left=max(0, len(left["running"]), *(left[w] - idle[w] for w in ("tasks", "threads"))),
        most_rss=round(most_rss / 2**20),
    )


class _Rounds:
    """The latencies of each round, or storm."""

    def __init__(self) -> None:
        self.free: list[list[float]] = []
        """The milliseconds of each cancelled search until it was free."""
        self._begins: list[float] = []

    def begin(self) -> None:
        """Begin the next round."""
        self._begins.append(time.monotonic())

    def latencies(self, health: list[tuple[float, float]]) -> Latencies:
        """Return the percentiles; a health check counts in the round in which it was sent."""
        checks = [
            [1000 * seconds for at, seconds in health if begin <= at < end]
            for begin, end in pairwise((*self._begins, inf))
        ]
        return Latencies(
            free_p50=[percentile(each, 50) for each in self.free],
            free_p99=[percentile(each, 99) for each in self.free],
            health_p50=[percentile(each, 50) for each in checks],
            health_p99=[percentile(each, 99) for each in checks],
        )


def _none_runs(names: set[str], now: dict[str, Any]) -> bool:
    return names.isdisjoint(now["running"])


def _begun(searches: int, now: dict[str, Any]) -> bool:
    return bool(now["begun"] == searches)


async def _cancel_in_turn(
    clients: Clients, count: int, progress_seconds: float
) -> list[OpenSearch]:
    """Cancel `count` searches, each client's oldest in turn, and replace each with a new one."""
    cancelled = []
    for client in islice(cycle(range(len(clients.searches))), count):
        cancelled.append(clients.replace_oldest(client, progress_seconds))
        await asyncio.sleep(_CANCEL_PERIOD_SECONDS)
    return cancelled


async def _free_milliseconds(server: DesignProcess, cancelled: list[OpenSearch]) -> list[float]:
    """Return how long each cancelled search took to be free, without those that never began."""
    await asyncio.sleep(_LAST_SCAN_SECONDS)
    after = await server.snapshot()
    free = []
    for search in cancelled:
        assert search.cancelled_at is not None
        if search.name in after["free_at"]:
            free.append(max(0.0, 1000 * (after["free_at"][search.name] - search.cancelled_at)))
        elif search.name in after["running"]:
            free.append(_NOT_FREE)
    return free
