"""The first positions of a search, which are scanned by the thread that submits it."""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from hashfinder.domain.errors import (
    BudgetExhaustedError,
    ClientQuotaExhaustedError,
    ServerDrainingError,
    ServerOverloadedError,
)
from hashfinder.domain.outcome import Outcome
from hashfinder.domain.request import SearchRequest
from hashfinder.kernel import Scan
from hashfinder.scheduling.admission import Admission, Limits
from hashfinder.scheduling.job import Job
from hashfinder.scheduling.scheduler import Scheduler
from hashfinder.scheduling.session import SearchService
from hashfinder.search.engine import Bounds, Search
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm, Scheme
from tests.unit.scheduling.allowances import allow
from tests.unit.scheduling.null_observer import NullObserver
from tests.unit.virtual_time import FakeClock

PATIENCE_SECONDS = 20.0

RATE = 10_000_000
SECONDS = 0.0001
FIRST = 1000
"""The number of positions in a first step at that rate."""


class ScriptedKernel:
    """Finds a match at the position that the name spells; records which thread scanned what."""

    backend = "scripted"

    def __init__(self) -> None:
        """Start without a scan."""
        self.scans: list[tuple[str, int, int]] = []

    def prepare(self, query: Query) -> "ScriptedScanner":
        """Return a scanner."""
        return ScriptedScanner(self, int(query.name) if query.name.isdigit() else -1)


class ScriptedScanner:
    """The `Scanner` of a `ScriptedKernel`."""

    def __init__(self, kernel: ScriptedKernel, at: int) -> None:
        """Store the position of the match."""
        self._kernel = kernel
        self._at = at

    def scan(
        self, start: int, stop: int, best: int, capacity: int, halt: bytearray | None = None
    ) -> Scan:
        """Scan at once."""
        del best, capacity, halt
        self._kernel.scans.append((threading.current_thread().name, start, stop))
        if start <= self._at < stop:
            return Scan(self._at + 1, [self._at], (self._at, 0), found=True)
        return Scan(stop, [])


@pytest.fixture
def rate(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that sets the rate that the scheduler measures, in positions a second."""

    def fix(positions: float) -> None:
        monkeypatch.setattr("hashfinder.scheduling.scheduler.measure", lambda *_: positions)

    fix(RATE)
    return fix


class Bench:
    """A scheduler with one worker that is not started."""

    def __init__(self, *, quota: int = 0, first_step_seconds: float = SECONDS) -> None:
        """Give each client a quota of hashes; 0 is no limit."""
        self.kernel = ScriptedKernel()
        self.notes: queue.Queue[int] = queue.Queue()
        self.scheduler = Scheduler(
            self.kernel,
            1,
            allow(hash_rate=quota, hash_burst=quota or 1),
            NullObserver(),
            chunk_seconds=0.001,
            first_step_seconds=first_step_seconds,
            clock=FakeClock(),
        )

    def submit(self, at: int, client: str = "a", budget: int = 10**9, suffix: bytes = b"") -> Job:
        """Submit a search whose match is at a position."""
        query = Query(str(at), 0, secret_suffix=suffix)
        search = Search(query, 0, budget, bounds=Bounds(chunks=4), now=0.0)
        job = self.scheduler.begin(client, search)
        self.scheduler.submit(job, lambda: self.notes.put(at))
        return job

    @property
    def scanned_here(self) -> list[tuple[int, int]]:
        """The ranges that this thread has scanned."""
        own = threading.current_thread().name
        return [(start, stop) for name, start, stop in self.kernel.scans if name == own]


@pytest.fixture
def bench(rate: Callable[[float], None]) -> Iterator[Bench]:
    """Return a scheduler that knows its rate; its worker ends with the test."""
    del rate
    bench = Bench()
    bench.scheduler.calibrate()
    yield bench
    if bench.notes.qsize():
        assert bench.scheduler.close(PATIENCE_SECONDS)


def test_a_search_that_ends_in_its_first_step_needs_no_worker(bench: Bench) -> None:
    """It is scanned by the submitting thread, and its result is there at once."""
    job = bench.submit(FIRST - 1)
    assert job.notified
    taken = bench.scheduler.take(job)
    assert ([FIRST - 1], True) == (taken.results, taken.found)
    assert [(0, FIRST)] == bench.scanned_here
    assert FIRST == bench.scheduler.statistics().hashes
    bench.scheduler.close_job(job, BudgetExhaustedError(1))
    assert 0 == bench.scheduler.statistics().active
    assert bench.notes.empty()


def test_a_budget_may_end_in_the_first_step(bench: Bench) -> None:
    """It ends with its own error, exactly at the budget."""
    taken = bench.scheduler.take(bench.submit(FIRST, budget=10))
    assert isinstance(taken.error, BudgetExhaustedError)
    assert [(0, 10)] == bench.scanned_here


def test_workers_take_over_after_the_first_step(bench: Bench) -> None:
    """They continue where it ended."""
    job = bench.submit(5 * FIRST)
    assert not job.notified
    bench.scheduler.start()
    assert 5 * FIRST == bench.notes.get(timeout=PATIENCE_SECONDS)
    assert [(0, FIRST)] == bench.scanned_here
    assert FIRST == bench.kernel.scans[1][1]
    assert bench.scheduler.take(job).found
    assert bench.scheduler.close(PATIENCE_SECONDS)


def test_a_client_with_a_waiting_search_gets_no_first_step(bench: Bench) -> None:
    """Its searches wait for their turn; another client still gets a first step."""
    bench.submit(5 * FIRST, "greedy")
    bench.submit(1, "greedy")
    assert [(0, FIRST)] == bench.scanned_here
    assert bench.submit(1, "modest").notified


@pytest.mark.parametrize(
    ("positions", "suffix", "stop"),
    [
        (1e12, b"", 4096),
        (1e12, bytes(3 * 64), 1024),
        (16 / SECONDS, b"", 16),
        (15 / SECONDS, b"", None),
        (1e12, bytes(48 * 1024), None),
    ],
    ids=["fast", "four blocks each", "slow", "too slow", "long suffix"],
)
def test_a_first_step_is_bounded(
    rate: Callable[[float], None], positions: float, suffix: bytes, stop: int | None
) -> None:
    """Its time and the blocks to hash limit it; it is left out if few positions would fit."""
    rate(positions)
    bench = Bench()
    bench.scheduler.calibrate()
    bench.submit(10**6, suffix=suffix)
    assert ([] if stop is None else [(0, stop)]) == bench.scanned_here


@pytest.mark.parametrize("algorithm", Algorithm)
def test_every_hash_is_calibrated(bench: Bench, algorithm: Algorithm) -> None:
    """A search with any algorithm has a first step from the start."""
    query = Query("10", 0, scheme=Scheme(algorithm))
    bench.scheduler.begin("a", Search(query, 0, 100, bounds=Bounds(chunks=4), now=0.0))
    assert bench.scanned_here


def test_no_first_step_before_the_rate_is_known(rate: Callable[[float], None]) -> None:
    """Without a rate its duration is unknown; a first step of 0 seconds is switched off."""
    del rate
    unknown, off = Bench(), Bench(first_step_seconds=0.0)
    off.scheduler.calibrate()
    for bench in (unknown, off):
        bench.submit(1)
        assert [] == bench.scanned_here


def test_a_first_step_is_charged(rate: Callable[[float], None]) -> None:
    """It is charged to the client's quota by blocks; if that overdraws it, the search ends."""
    del rate
    bench = Bench(quota=FIRST)
    bench.scheduler.calibrate()
    bench.submit(FIRST // 2 - 1)
    assert 0.0 == bench.scheduler.quota_delay("a")
    taken = bench.scheduler.take(bench.submit(10**6))
    assert isinstance(taken.error, ClientQuotaExhaustedError)
    assert bench.scheduler.quota_delay("a") > 0


def test_a_fault_in_the_first_step_ends_the_search_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works like a fault on a worker."""

    def fail(*_: object) -> Scan:
        raise RuntimeError

    monkeypatch.setattr(ScriptedScanner, "scan", fail)
    taken = bench.scheduler.take(bench.submit(1))
    assert isinstance(taken.error, RuntimeError)


def serve(bench: Bench) -> tuple[Admission, SearchService]:
    """Return a service with one slot on the scheduler of `bench`."""
    allowance_of = allow(searches=9)
    limits = Limits(searches=1, waiting=0, wait_seconds=0)
    admission = Admission(limits, allowance_of, bench.scheduler.quota_delay, lambda: 0.0)
    return admission, SearchService(admission, bench.scheduler, allowance_of)


def request(at: int, budget: int = 10**9) -> SearchRequest:
    """Return a request whose match is at a position."""
    return SearchRequest(Query(str(at), 0), 0, budget)


def test_a_find_that_ends_in_its_first_step_holds_nothing(bench: Bench) -> None:
    """It ends before its task waits for anything, although no worker has started."""
    _, service = serve(bench)
    with pytest.raises(StopIteration) as ended:
        service.find("a", request(FIRST - 1), Outcome()).send(None)
    assert [FIRST - 1] == ended.value.value.results
    assert [] == service.registry.snapshot()
    assert 0 == bench.scheduler.statistics().active


def test_a_find_ends_with_its_budget_in_the_first_step(bench: Bench) -> None:
    """The error has the progress."""
    _, service = serve(bench)
    with pytest.raises(BudgetExhaustedError) as stopped:
        asyncio.run(service.find("a", request(FIRST, budget=10), Outcome()))
    assert stopped.value.progress is not None
    assert (10, 10) == (stopped.value.progress.hashes, stopped.value.progress.next_position)


def test_a_longer_find_goes_on_where_its_first_step_ended(bench: Bench) -> None:
    """No position is scanned twice."""
    _, service = serve(bench)
    bench.scheduler.start()
    taken = asyncio.run(service.find("a", request(5 * FIRST), Outcome()))
    assert [5 * FIRST] == taken.results
    assert [(0, FIRST)] == bench.scanned_here
    assert FIRST == bench.kernel.scans[1][1]
    assert bench.scheduler.close(PATIENCE_SECONDS)


def test_a_find_without_a_slot_is_refused_before_its_first_step(bench: Bench) -> None:
    """Both on a full server and on one that drains."""
    admission, service = serve(bench)

    async def crowded() -> None:
        async with admission.slot("other"):
            await service.find("a", request(1), Outcome())

    with pytest.raises(ServerOverloadedError):
        asyncio.run(crowded())
    admission.close()
    with pytest.raises(ServerDrainingError):
        asyncio.run(service.find("a", request(1), Outcome()))
    assert [] == bench.scanned_here
