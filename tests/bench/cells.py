"""The measurements: one design under one load, and one design in a storm."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Any

from tests.bench.load import Clients, DesignProcess, OpenSearch, health_probed, serving, until
from tests.bench.rows import percentile

_OPEN_SECONDS = 6.0
_STORM_SECONDS = 15.0
"""How long searches have to begin before the measurement starts without them."""
_FREE_SECONDS = 3.0
"""How long a cancelled search is watched."""
_NOT_FREE = 1000 * _FREE_SECONDS
"""What one counts with that is not free by then."""
_LAST_SCAN_SECONDS = 0.05
_MESSAGES_PER_SECOND = 64
_CANCEL_PERIOD_SECONDS = 0.06


@dataclass(frozen=True)
class Times:
    """How long each phase of a measurement lasts."""

    settle: float
    window: float
    cancels: int


@dataclass(frozen=True)
class Cell:
    """One design under one load. Latencies in milliseconds."""

    begun: int
    """How many searches the server had begun when the window began."""
    jain: float
    """Jain's index over the clients' hashes, as their progress messages tell."""
    stuck: int
    """How many of the cancelled searches were not free within the time they were watched."""
    free_p50: float
    free_p99: float
    """From the client's cancel to the end of handler and last scan."""
    health_p50: float
    health_p99: float
    rate: float
    """Million hashes a second."""
    rate_per_cpu: float
    """Million hashes a CPU second of the server's process, all its work included."""
    kernel_share: float
    """The part of that CPU time which is the kernel's."""


@dataclass(frozen=True)
class Storm:
    """Many searches opened, then all cancelled. Times in milliseconds, memory in MiB."""

    begun: list[int]
    """How many the server had begun when all were cancelled, by storm."""
    all_free_after: list[float]
    """The slowest one, by storm."""
    free_p50: float
    free_p99: float
    health_p50: float
    health_p99: float
    left: int
    """How many searches still run at the end, or tasks or threads are left of them."""
    most_rss: int


def unequal(searches: int) -> list[int]:
    """Divide searches among up to four clients, as unevenly as 1 to 8 to 64 to the rest."""
    parts = [part for part in (1, 8, 64) if 2 * part < searches]
    return [*parts, searches - sum(parts)]


def jain(shares: Sequence[float]) -> float:
    """Return Jain's fairness index: 1 for equal shares, 1/n where one has all."""
    squares = len(shares) * sum(share**2 for share in shares)
    return sum(shares) ** 2 / squares if squares else 0.0


async def measure_cell(design: str, searches: int, times: Times) -> Cell:
    """Load a fresh server of a design, watch it for a while, then cancel one search at a time."""
    counts = unequal(searches)
    # Few enough messages a second not to be the load themselves; two or more for each search.
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
        told = [
            sum(search.hashes_between(begin["wall"], end["wall"]) for search in client)
            for client in clients.searches
        ]
        scanned = [
            sum(end["hashes"].get(s.name, 0) - begin["hashes"].get(s.name, 0) for s in client)
            for client in clients.searches
        ]
        # Afterwards: forty checks a second cost a server in Python a few parts of a hundred.
        async with health_probed(server.address) as health:
            cancelled = await _cancel_in_turn(clients, times.cancels, progress_seconds)
            names = {search.name for search in cancelled}
            await until(
                server.snapshot, lambda now: names.isdisjoint(now["running"]), _FREE_SECONDS
            )
            free = await _free_milliseconds(server, cancelled)
        await clients.close()
    seconds, cpu_seconds, kernel_seconds = (
        end[key] - begin[key] for key in ("wall", "cpu_seconds", "kernel_seconds")
    )
    latencies = [1000 * seconds for _, seconds in health]
    return Cell(
        begun=begin["begun"],
        jain=jain(told),
        stuck=sum(ms >= _NOT_FREE for ms in free),
        free_p50=percentile(free, 50),
        free_p99=percentile(free, 99),
        health_p50=percentile(latencies, 50),
        health_p99=percentile(latencies, 99),
        rate=sum(scanned) / seconds / 1e6,
        rate_per_cpu=sum(scanned) / cpu_seconds / 1e6,
        kernel_share=kernel_seconds / cpu_seconds,
    )


async def measure_storm(design: str, searches: int, storms: int) -> Storm:
    """Open many searches at once and cancel all, several times; watch health and what is left."""
    free: list[float] = []
    last: list[float] = []
    begun: list[int] = []
    async with serving(design) as server:
        idle = await server.snapshot()
        most_rss = idle["rss"]
        async with health_probed(server.address) as health:
            for storm in range(1, storms + 1):
                clients = Clients(server.address, unequal(searches))
                await clients.connect()
                clients.open_all()
                peak = await until(server.counts, partial(_begun, storm * searches), _STORM_SECONDS)
                cancelled = clients.cancel_all()
                await until(server.counts, lambda now: now["ended"] == now["begun"], _FREE_SECONDS)
                freed = await _free_milliseconds(server, cancelled)
                await clients.close()
                begun.append(peak["begun"] - sum(begun))
                free += freed
                last.append(max(freed))
                most_rss = max(most_rss, peak["rss"], (await server.counts())["rss"])
        left = await until(
            server.snapshot, lambda now: now["tasks"] <= idle["tasks"], _FREE_SECONDS
        )
    latencies = [1000 * each for _, each in health]
    return Storm(
        begun=begun,
        all_free_after=last,
        free_p50=percentile(free, 50),
        free_p99=percentile(free, 99),
        health_p50=percentile(latencies, 50),
        health_p99=percentile(latencies, 99),
        left=max(0, len(left["running"]), *(left[w] - idle[w] for w in ("tasks", "threads"))),
        most_rss=round(most_rss / 2**20),
    )


def _begun(searches: int, now: dict[str, Any]) -> bool:
    return bool(now["begun"] == searches)


async def _cancel_in_turn(
    clients: Clients, count: int, progress_seconds: float
) -> list[OpenSearch]:
    """Cancel `count` searches, each client's oldest in turn; another takes the place of each."""
    cancelled = []
    for client in islice(cycle(range(len(clients.searches))), count):
        cancelled.append(clients.replace_oldest(client, progress_seconds))
        await asyncio.sleep(_CANCEL_PERIOD_SECONDS)
    return cancelled


async def _free_milliseconds(server: DesignProcess, cancelled: list[OpenSearch]) -> list[float]:
    """Return after how long each cancelled search was free; those never begun are left out."""
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
