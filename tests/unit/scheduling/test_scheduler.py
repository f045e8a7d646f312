"""The worker threads, with kernels that scan for as long as a test wants."""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hashfinder.domain.errors import (
    AbandonedError,
    BudgetExhaustedError,
    ClientQuotaExhaustedError,
    ServerDrainingError,
    WorkerDiedError,
    WorkerStartError,
)
from hashfinder.scheduling.hooks import WorkerHooks
from hashfinder.scheduling.job import Job
from hashfinder.scheduling.scheduler import Scheduler
from hashfinder.scheduling.statistics import SchedulerStatistics
from hashfinder.search.engine import Bounds, Search
from hashfinder_rules.query import Query
from tests.unit.scheduling.allowances import allow
from tests.unit.scheduling.gate_kernel import GateKernel
from tests.unit.virtual_time import FakeClock

PATIENCE_SECONDS = 20.0


class RecordingObserver:
    """Remembers what the workers tell."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.freed_after: list[float] = []

    def freed(self, seconds: float) -> None:
        """Append."""
        self.freed_after.append(seconds)


class Workshop:
    """A scheduler, its kernel, and the notifications of results."""

    def __init__(
        self,
        workers: int = 1,
        rate: int = 0,
        burst: int = 100,
        weights: dict[str, int] | None = None,
    ) -> None:
        """Begin with workers that have not started."""
        self.clock = FakeClock()
        self.kernel = GateKernel()
        self.observer = RecordingObserver()
        self.deaths: queue.Queue[BaseException] = queue.Queue()
        self.pause_seconds = 0.0
        """What the last worker pauses for, again and again."""
        self.scheduler = Scheduler(
            self.kernel,
            workers,
            allow(weights, hash_rate=rate, hash_burst=burst),
            self.observer,
            chunk_seconds=0.001,
            hooks=WorkerHooks(died=self.deaths.put, pause=lambda: self.pause_seconds),
            clock=self.clock,
        )
        self._notes: queue.Queue[str] = queue.Queue()
        self._started = False

    def submit(
        self, name: str, client: str = "", maximum_hashes: int = 10**12, **bounds: int
    ) -> Job:
        """Submit a search for `name`; its first letter is its client where none is given."""
        query = Query(name, 0, len(name))
        limits = Bounds(**{"chunks": 8, **bounds})
        search = Search(query, 0, maximum_hashes, bounds=limits, now=self.clock())
        job = self.scheduler.begin(client or name[0], search)
        self.scheduler.submit(job, lambda: self._notes.put(name))
        return job

    def notified(self) -> str:
        """Return the name of the next search with a notification."""
        return self._notes.get(timeout=PATIENCE_SECONDS)

    @property
    def untold(self) -> int:
        """How many more notifications there were."""
        return self._notes.qsize()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when a condition holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def start(self) -> None:
        """Let the workers begin."""
        self.scheduler.start()
        self._started = True

    def close(self) -> None:
        """Let all go on and end."""
        self.kernel.open()
        if self._started:
            assert self.scheduler.close(PATIENCE_SECONDS)


@pytest.fixture
def workshop() -> Iterator[Callable[..., Workshop]]:
    """Make schedulers; all of their workers end with the test."""
    workshops: list[Workshop] = []

    def make(workers: int = 1, rate: int = 0, burst: int = 100) -> Workshop:
        workshops.append(Workshop(workers, rate, burst))
        return workshops[-1]

    yield make
    for each in workshops:
        each.close()


def test_lone_search_uses_all_workers_at_once(workshop: Callable[..., Workshop]) -> None:
    """With ranges that follow each other."""
    shop = workshop(workers=3)
    shop.start()
    shop.submit("doctor")
    ranges = sorted((s.start, s.stop) for s in (shop.kernel.next() for _ in range(3)))

    expected = SchedulerStatistics(
        hashes=0, active=1, parked=0, clients=1, workers_busy=3, workers=3, worker_deaths=0
    )
    assert expected == shop.scheduler.statistics()
    assert 0 == ranges[0][0]
    assert [ranges[0][1], ranges[1][1]] == [ranges[1][0], ranges[2][0]]


def test_clients_alternate_whatever_the_number_of_their_searches(
    workshop: Callable[..., Workshop],
) -> None:
    """One turn each for a client with two searches and one with a single one."""
    shop = workshop(workers=1)
    for name in ("a1", "a2", "b1"):
        shop.submit(name)
    shop.start()
    order = []
    for _ in range(8):
        scanning = shop.kernel.next()
        order.append(scanning.name)
        scanning.finish()

    assert ["a1", "b1", "a2", "b1", "a1", "b1", "a2", "b1"] == order


def test_new_client_gets_a_worker_within_a_round(workshop: Callable[..., Workshop]) -> None:
    """However many searches the other client has, and all workers."""
    shop = workshop(workers=2)
    shop.start()
    for name in ("a1", "a2", "a3"):
        shop.submit(name)
    first, _second = shop.kernel.next(), shop.kernel.next()
    shop.submit("b1")
    first.finish()
    turn = shop.kernel.next()  # the other client was next already
    assert "a" == turn.name[0]
    turn.finish()
    assert "b1" == shop.kernel.next().name


def test_stopped_search_leaves_its_workers_to_others_and_is_free_when_the_last_one_left(
    workshop: Callable[..., Workshop],
) -> None:
    """Requested and took effect are two moments; what lies between them is observed once."""
    shop = workshop(workers=2)
    shop.start()
    stopped = shop.submit("stopped")
    one, other = shop.kernel.next(), shop.kernel.next()
    shop.submit("continues")
    error = AbandonedError()
    shop.scheduler.close_job(stopped, error)
    assert [] == shop.observer.freed_after

    shop.clock.now += 0.5
    one.finish()
    assert "continues" == shop.kernel.next().name
    assert [] == shop.observer.freed_after

    shop.clock.now += 0.25
    other.finish()
    assert "continues" == shop.kernel.next().name
    assert [0.75] == shop.observer.freed_after
    assert error is stopped.search.error
    assert 0 == shop.untold

    shop.scheduler.close_job(stopped, AbandonedError())
    shop.close()
    assert [0.75] == shop.observer.freed_after
    assert error is stopped.search.error


def test_search_without_a_worker_is_free_at_once(workshop: Callable[..., Workshop]) -> None:
    """Nothing is scanned for it any more."""
    shop = workshop(workers=1)
    job = shop.submit("doctor")
    shop.scheduler.close_job(job, AbandonedError())
    assert [0.0] == shop.observer.freed_after
    assert 0 == shop.scheduler.statistics().active
    shop.submit("other")
    shop.start()
    assert "other" == shop.kernel.next().name


def test_search_that_ended_by_itself_is_not_observed_as_stopped(
    workshop: Callable[..., Workshop],
) -> None:
    """Neither a find nor a spent budget has to be waited for."""
    shop = workshop(workers=1)
    shop.start()
    found, spent = shop.submit("found"), shop.submit("spent", maximum_hashes=10)
    shop.kernel.next().finish((3, 0))
    shop.kernel.next().finish()
    assert {"found", "spent"} == {shop.notified(), shop.notified()}
    for job in (found, spent):
        shop.scheduler.close_job(job, AbandonedError())

    assert [] == shop.observer.freed_after
    assert found.search.found
    assert found.search.error is None
    assert isinstance(spent.search.error, BudgetExhaustedError)


def test_fault_of_the_kernel_ends_its_search_alone(workshop: Callable[..., Workshop]) -> None:
    """The worker survives, and continues with the others."""
    shop = workshop(workers=1)
    broken, sound = shop.submit("broken"), shop.submit("sound")
    shop.start()
    fault = RuntimeError("boom")
    shop.kernel.next().fail(fault)
    for _ in range(3):
        scanning = shop.kernel.next()
        assert "sound" == scanning.name
        scanning.finish()

    assert "broken" == shop.notified()
    taken = shop.scheduler.take(broken)
    assert fault is taken.error
    assert not taken.found
    assert (0, 0) == (taken.progress.hashes, taken.progress.next_position)
    assert shop.scheduler.take(sound).error is None


class Untold(BaseException):
    """What no worker expects, as `SystemExit`."""


def test_worker_that_dies_is_reported_and_leaves_no_search_hanging(
    workshop: Callable[..., Workshop],
) -> None:
    """The search in its hands ends with a fault; the others keep the workers that are left."""
    shop = workshop(workers=2)
    shop.start()
    doomed, other = shop.submit("doomed"), shop.submit("other")
    scans = {scanning.name: scanning for scanning in (shop.kernel.next(), shop.kernel.next())}
    error = Untold()
    scans["doomed"].fail(error)
    assert error is shop.deaths.get(timeout=PATIENCE_SECONDS)
    assert "doomed" == shop.notified()

    taken = shop.scheduler.take(doomed)
    assert isinstance(taken.error, WorkerDiedError)
    assert error is taken.error.__cause__
    now = shop.scheduler.statistics()
    assert (1, 1, 1) == (now.workers, now.worker_deaths, now.workers_busy)
    for _ in range(3):
        scans["other"].finish()
        scans["other"] = shop.kernel.next()
        assert "other" == scans["other"].name
    assert shop.scheduler.take(other).error is None
    shop.close()
    assert 1 == shop.scheduler.statistics().worker_deaths
    assert 0 == shop.scheduler.statistics().workers_busy


def test_worker_that_dies_outside_of_a_scan_is_reported(
    workshop: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it prepares itself, or gives back what it has scanned."""
    shop = workshop(workers=1)
    error = MemoryError()

    def fail(*_: object) -> None:
        raise error

    job = shop.submit("doctor")
    shop.start()
    scanning = shop.kernel.next()
    monkeypatch.setattr(job.pace, "measured", fail)
    scanning.finish()
    assert error is shop.deaths.get(timeout=PATIENCE_SECONDS)
    assert "doctor" == shop.notified()
    assert isinstance(shop.scheduler.take(job).error, WorkerDiedError)
    assert 0 == shop.scheduler.statistics().workers_busy

    unprepared = Workshop()
    unprepared.scheduler = Scheduler(
        unprepared.kernel,
        1,
        allow(),
        unprepared.observer,
        chunk_seconds=0.001,
        hooks=WorkerHooks(prepare=fail, died=unprepared.deaths.put),
    )
    unprepared.scheduler.start()
    assert error is unprepared.deaths.get(timeout=PATIENCE_SECONDS)
    assert 0 == unprepared.scheduler.statistics().workers


def test_worker_that_cannot_start_is_an_error(
    workshop: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the system limits threads: the error says how many were wanted."""

    def refuse(_thread: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    shop = workshop(workers=3)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(WorkerStartError, match="3 worker threads: can't start new thread"):
        shop.scheduler.start()


def test_scan_that_makes_no_sense_is_a_fault_of_its_search(
    workshop: Callable[..., Workshop],
) -> None:
    """Not of the worker, which continues with the others."""
    shop = workshop(workers=1)
    broken = shop.submit("broken")
    shop.submit("sound")
    shop.start()
    shop.kernel.next().finish((-1, 3))
    assert "broken" == shop.notified()
    assert isinstance(shop.scheduler.take(broken).error, Exception)
    assert "sound" == shop.kernel.next().name
    assert 0 == shop.scheduler.statistics().worker_deaths


def test_last_worker_pauses_without_a_chunk(workshop: Callable[..., Workshop]) -> None:
    """What it has scanned is there before it pauses; the others do not pause; then it resumes."""
    shop = workshop(workers=2)
    shop.start()
    job = shop.submit("doctor", maximum_hashes=10**9)
    shop.pause_seconds = 0.01
    scans = [shop.kernel.next() for _ in range(2)]
    for scanning in scans:
        scanning.finish((scanning.start, 5))
    other = shop.kernel.next()  # of the first worker
    assert "doctor" == shop.notified()
    shop.wait_until(lambda: shop.scheduler.statistics().workers_busy == 1)
    assert sorted(scanning.start for scanning in scans) == shop.scheduler.take(job).results
    shop.pause_seconds = 0.0
    shop.kernel.next()
    assert 2 == shop.scheduler.statistics().workers_busy
    assert not other.halted


def test_pause_does_not_hold_up_the_end(workshop: Callable[..., Workshop]) -> None:
    """A worker that is to wait again and again ends with the others."""
    shop = workshop(workers=1)
    shop.start()
    shop.submit("doctor")
    shop.pause_seconds = 0.01
    shop.kernel.next().finish()
    began = time.monotonic()
    shop.close()
    assert time.monotonic() - began < 5


def test_results_of_other_chunks_do_not_come_after_a_fault(
    workshop: Callable[..., Workshop],
) -> None:
    """What was merged before it can still be taken; the first error stays."""
    shop = workshop(workers=2)
    shop.start()
    job = shop.submit("doctor")
    first, second = sorted((shop.kernel.next(), shop.kernel.next()), key=lambda s: s.start)
    third_position = first.start + 3
    first.finish((third_position, 5))
    assert "doctor" == shop.notified()
    fault = RuntimeError("boom")
    second.fail(fault)
    shop.kernel.next().finish((second.stop + 1, 5))
    shop.close()

    taken = shop.scheduler.take(job)
    assert [third_position] == taken.results
    assert fault is taken.error
    assert second.start == taken.progress.next_position


def test_scans_whose_outcome_nobody_waits_for_are_halted(
    workshop: Callable[..., Workshop],
) -> None:
    """Of a search that was stopped, and of one that has found what it looked for."""
    shop = workshop(workers=2)
    shop.start()
    stopped = shop.submit("stopped")
    scans = [shop.kernel.next() for _ in range(2)]
    assert not any(scanning.halted for scanning in scans)
    shop.scheduler.close_job(stopped, AbandonedError())
    assert all(scanning.halted for scanning in scans)

    for scanning in scans:
        scanning.finish()
    shop.submit("found")
    finder, behind = sorted((shop.kernel.next() for _ in range(2)), key=lambda s: s.start)
    assert not behind.halted
    finder.finish((finder.start, 0))
    assert "found" == shop.notified()
    assert behind.halted


def test_close_ends_the_workers_after_the_chunks_in_hand(workshop: Callable[..., Workshop]) -> None:
    """It says whether they did in time, and can be asked again; what waits is not begun."""
    shop = workshop(workers=2)
    shop.start()
    shop.submit("one")
    shop.submit("two")
    scans = [shop.kernel.next(), shop.kernel.next()]
    assert not shop.scheduler.close(0)
    for scanning in scans:
        scanning.finish()
    assert shop.scheduler.close(PATIENCE_SECONDS)
    assert shop.kernel.idle
    assert [] == [t for t in threading.enumerate() if t.name.startswith("hashfinder-worker")]


def test_stop_all_gives_every_search_an_error_of_its_own(workshop: Callable[..., Workshop]) -> None:
    """Since each carries its own progress; those that have ended keep their outcome."""
    shop = workshop(workers=1)
    jobs = [shop.submit(name) for name in ("one", "two", "three")]
    ended = shop.submit("ended")
    fault = RuntimeError("boom")
    ended.search.stop(fault)
    shop.scheduler.stop_all(lambda: ServerDrainingError("going away", 1.0))

    errors = [shop.scheduler.take(job).error for job in jobs]
    assert all(isinstance(error, ServerDrainingError) for error in errors)
    assert 3 == len({id(error) for error in errors})
    assert fault is shop.scheduler.take(ended).error
    assert {"one", "two", "three"} == {shop.notified() for _ in jobs}
    assert [0.0] * 3 == shop.observer.freed_after


def test_parked_search_resumes_when_its_results_are_taken(
    workshop: Callable[..., Workshop],
) -> None:
    """Until then its share is the others'."""
    shop = workshop(workers=1)
    parked = shop.submit("parked", results=2)
    shop.submit("other")
    shop.start()
    shop.kernel.next().finish((1, 6), (2, 6))
    for _ in range(4):
        scanning = shop.kernel.next()
        assert "other" == scanning.name
        scanning.finish()
    assert 1 == shop.scheduler.statistics().parked
    assert 2 == shop.scheduler.statistics().active

    assert "parked" == shop.notified()
    assert [1, 2] == shop.scheduler.take(parked).results
    assert 0 == shop.scheduler.statistics().parked
    names = []
    for _ in range(3):
        scanning = shop.kernel.next()
        names.append(scanning.name)
        scanning.finish()
    assert "parked" in names


def test_results_are_announced_once_until_they_are_taken(workshop: Callable[..., Workshop]) -> None:
    """However many chunks bring some."""
    shop = workshop(workers=1)
    job = shop.submit("doctor")
    shop.start()
    expected = []
    for _ in range(3):
        scanning = shop.kernel.next()
        expected.append(scanning.start + 5)
        scanning.finish((scanning.start + 5, 6))
    scanning = shop.kernel.next()
    assert "doctor" == shop.notified()
    assert 0 == shop.untold
    assert expected == shop.scheduler.take(job).results

    scanning.finish((scanning.start, 6))
    assert "doctor" == shop.notified()
    assert [scanning.start] == shop.scheduler.take(job).results


def test_closed_job_notifies_nobody(workshop: Callable[..., Workshop]) -> None:
    """Not of results of the chunk that was in hand, nor of its end."""
    shop = workshop(workers=1)
    job = shop.submit("doctor")
    shop.start()
    scanning = shop.kernel.next()
    shop.scheduler.close_job(job, AbandonedError())
    scanning.finish((0, 0))
    shop.close()

    assert 0 == shop.untold
    assert not job.search.found


def test_a_quota_is_charged_by_blocks(workshop: Callable[..., Workshop]) -> None:
    """A search with a long suffix costs its client what it costs the server."""
    shop = workshop(rate=10, burst=100)
    query = Query("--------", 8, secret_suffix=bytes(9 * 64))
    assert 10 == query.blocks_per_candidate(8)
    search = Search(query, 0, 10**6, bounds=Bounds(chunks=1), now=shop.clock())
    stopped = threading.Event()
    job = shop.scheduler.begin("c", search)
    shop.scheduler.submit(job, stopped.set)
    shop.start()
    scanning = shop.kernel.next()
    assert (0, 10) == (scanning.start, scanning.stop)  # as many as are thought to take the time
    scanning.finish()
    assert stopped.wait(PATIENCE_SECONDS)
    taken = shop.scheduler.take(job)
    assert isinstance(taken.error, ClientQuotaExhaustedError)
    assert 10 == taken.progress.hashes


def test_an_expected_rate_is_a_share(workshop: Callable[..., Workshop]) -> None:
    """Equal among clients, then among a client's searches, and at most its quota."""
    shop = workshop(workers=4)
    shop.kernel.open()
    query = Query("abcdefgh")
    alone = shop.scheduler.expected_rate("a", query)
    assert alone > 0
    shop.submit("a1")
    assert alone / 2 == pytest.approx(shop.scheduler.expected_rate("a", query))
    assert alone / 2 == pytest.approx(shop.scheduler.expected_rate("b", query))
    shop.submit("b1")
    assert alone / 4 == pytest.approx(shop.scheduler.expected_rate("a", query))
    assert alone / 3 == pytest.approx(shop.scheduler.expected_rate("c", query))

    bounded = workshop(rate=7, burst=100)
    bounded.kernel.open()
    assert 7 == bounded.scheduler.expected_rate("a", query)
    long = Query("abcdefgh", secret_suffix=bytes(6 * 64))
    assert 1 == bounded.scheduler.expected_rate("a", long)


def test_client_that_has_used_up_its_quota_is_stopped_and_others_are_not(
    workshop: Callable[..., Workshop],
) -> None:
    """After the chunk that overdrew it, with the time to wait."""
    shop = workshop(workers=1, rate=10, burst=20)
    greedy = shop.submit("greedy")
    other = shop.submit("other", maximum_hashes=10)
    shop.start()
    scanning = shop.kernel.next()
    used = scanning.stop - scanning.start
    assert used > 20
    scanning.finish()
    shop.kernel.next().finish()
    assert {"greedy", "other"} == {shop.notified(), shop.notified()}

    taken = shop.scheduler.take(greedy)
    assert isinstance(taken.error, ClientQuotaExhaustedError)
    assert 10 == taken.error.limit
    wait = (2 - (20 - used)) / 10
    assert pytest.approx(wait) == taken.error.retry_after
    assert pytest.approx(wait) == shop.scheduler.quota_delay("g")
    assert used == taken.progress.hashes
    assert isinstance(shop.scheduler.take(other).error, BudgetExhaustedError)
    assert 0 == shop.scheduler.quota_delay("o")


def test_chunk_that_is_out_when_the_quota_ends_is_not_thrown_away(
    workshop: Callable[..., Workshop],
) -> None:
    """It has been paid for: the search is stopped when it is back, and gets no other."""
    shop = workshop(workers=2, rate=10, burst=20)
    job = shop.submit("doctor")
    shop.start()
    first, second = sorted((shop.kernel.next(), shop.kernel.next()), key=lambda scan: scan.start)
    second.finish()
    shop.wait_until(lambda: shop.scheduler.statistics().workers_busy != 2)
    assert not first.halted
    assert 0 == shop.untold
    first.finish()
    assert "doctor" == shop.notified()

    taken = shop.scheduler.take(job)
    assert isinstance(taken.error, ClientQuotaExhaustedError)
    assert second.stop == taken.progress.next_position
    assert pytest.approx(shop.scheduler.quota_delay("d")) == taken.error.retry_after


def test_find_in_the_chunk_that_overdraws_the_quota_is_a_find(
    workshop: Callable[..., Workshop],
) -> None:
    """The first outcome counts."""
    shop = workshop(workers=1, rate=10, burst=1)
    job = shop.submit("doctor")
    shop.start()
    shop.kernel.next().finish((7, 0))
    assert "doctor" == shop.notified()
    taken = shop.scheduler.take(job)
    assert taken.found
    assert taken.error is None
    assert [7] == taken.results
    assert 8 == taken.progress.hashes


def test_progress_has_the_time_since_the_search_began(workshop: Callable[..., Workshop]) -> None:
    """By the scheduler's clock, its waiting included."""
    shop = workshop(workers=1)
    job = shop.submit("doctor")
    shop.clock.now += 7.5
    assert 7.5 == shop.scheduler.take(job).progress.seconds


def test_every_position_scanned_is_counted(workshop: Callable[..., Workshop]) -> None:
    """Also the part of a chunk before its ideal candidate, and that of a stopped search."""
    shop = workshop(workers=1)
    shop.start()
    job = shop.submit("doctor")
    first = shop.kernel.next()
    first.finish()
    second = shop.kernel.next()
    second.finish((second.start + 9, 0))
    shop.notified()
    assert first.stop + 10 == shop.scheduler.statistics().hashes
    assert first.stop + 10 == shop.scheduler.take(job).progress.hashes


def test_search_that_has_waited_begins_at_the_rate_that_is_known_by_then(
    workshop: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at what was known when it came: of many that come at once, only the first one guesses."""
    cpu_seconds = itertools.count(0.0, 1e-5)
    monkeypatch.setattr(time, "thread_time", lambda: next(cpu_seconds))
    shop = workshop(workers=1)
    for name in ("a", "b"):
        shop.submit(name)
    shop.start()
    first = shop.kernel.next()
    first.finish()
    second = shop.kernel.next()
    assert ("a", "b") == (first.name, second.name)
    assert second.stop - second.start > 50 * (first.stop - first.start)
