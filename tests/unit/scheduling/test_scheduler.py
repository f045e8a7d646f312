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
    """Records what the workers report."""

    def __init__(self) -> None:
        """Start without records."""
        self.freed_after: list[float] = []

    def freed(self, seconds: float) -> None:
        """Record the value."""
        self.freed_after.append(seconds)


class Harness:
    """A scheduler, its kernel, and its notifications of results."""

    def __init__(
        self,
        workers: int = 1,
        rate: int = 0,
        burst: int = 100,
        weights: dict[str, int] | None = None,
    ) -> None:
        """Create workers without starting them."""
        self.clock = FakeClock()
        self.kernel = GateKernel()
        self.observer = RecordingObserver()
        self.deaths: queue.Queue[BaseException] = queue.Queue()
        self.pause_seconds = 0.0
        """How long the last worker pauses between chunks."""
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
        """Submit a search for `name`; by default the first letter is its client."""
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
    def unread_notifications(self) -> int:
        """The number of notifications that are left."""
        return self._notes.qsize()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when a condition holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def start(self) -> None:
        """Start the workers."""
        self.scheduler.start()
        self._started = True

    def close(self) -> None:
        """Unblock all scans, and stop the workers."""
        self.kernel.open()
        if self._started:
            assert self.scheduler.close(PATIENCE_SECONDS)


@pytest.fixture
def new_harness() -> Iterator[Callable[..., Harness]]:
    """Create schedulers; their workers end with the test."""
    made: list[Harness] = []

    def make(workers: int = 1, rate: int = 0, burst: int = 100) -> Harness:
        made.append(Harness(workers, rate, burst))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_lone_search_uses_all_workers_at_once(new_harness: Callable[..., Harness]) -> None:
    """It has consecutive ranges."""
    harness = new_harness(workers=3)
    harness.start()
    harness.submit("doctor")
    ranges = sorted((s.start, s.stop) for s in (harness.kernel.next() for _ in range(3)))

    expected = SchedulerStatistics(
        hashes=0, active=1, parked=0, clients=1, workers_busy=3, workers=3, worker_deaths=0
    )
    assert expected == harness.scheduler.statistics()
    assert 0 == ranges[0][0]
    assert [ranges[0][1], ranges[1][1]] == [ranges[1][0], ranges[2][0]]


def test_clients_alternate_whatever_the_number_of_their_searches(
    new_harness: Callable[..., Harness],
) -> None:
    """A client with two searches and one with a single search get a turn each."""
    harness = new_harness(workers=1)
    for name in ("a1", "a2", "b1"):
        harness.submit(name)
    harness.start()
    order = []
    for _ in range(8):
        scanning = harness.kernel.next()
        order.append(scanning.name)
        scanning.finish()

    assert ["a1", "b1", "a2", "b1", "a1", "b1", "a2", "b1"] == order


def test_new_client_gets_a_worker_within_a_round(new_harness: Callable[..., Harness]) -> None:
    """Even if another client has many searches and all workers."""
    harness = new_harness(workers=2)
    harness.start()
    for name in ("a1", "a2", "a3"):
        harness.submit(name)
    first, _second = harness.kernel.next(), harness.kernel.next()
    harness.submit("b1")
    first.finish()
    turn = harness.kernel.next()  # this turn of the other client was decided before
    assert "a" == turn.name[0]
    turn.finish()
    assert "b1" == harness.kernel.next().name


def test_stopped_search_is_free_when_its_last_worker_has_left(
    new_harness: Callable[..., Harness],
) -> None:
    """The time from the request to the effect is observed once; other searches get the workers."""
    harness = new_harness(workers=2)
    harness.start()
    stopped = harness.submit("stopped")
    one, other = harness.kernel.next(), harness.kernel.next()
    harness.submit("continues")
    error = AbandonedError()
    harness.scheduler.close_job(stopped, error)
    assert [] == harness.observer.freed_after

    harness.clock.now += 0.5
    one.finish()
    assert "continues" == harness.kernel.next().name
    assert [] == harness.observer.freed_after

    harness.clock.now += 0.25
    other.finish()
    assert "continues" == harness.kernel.next().name
    assert [0.75] == harness.observer.freed_after
    assert error is stopped.search.error
    assert 0 == harness.unread_notifications

    harness.scheduler.close_job(stopped, AbandonedError())
    harness.close()
    assert [0.75] == harness.observer.freed_after
    assert error is stopped.search.error


def test_search_without_a_worker_is_free_at_once(new_harness: Callable[..., Harness]) -> None:
    """Nothing is scanned for it any more."""
    harness = new_harness(workers=1)
    job = harness.submit("doctor")
    harness.scheduler.close_job(job, AbandonedError())
    assert [0.0] == harness.observer.freed_after
    assert 0 == harness.scheduler.statistics().active
    harness.submit("other")
    harness.start()
    assert "other" == harness.kernel.next().name


def test_search_that_ended_by_itself_is_not_observed_as_stopped(
    new_harness: Callable[..., Harness],
) -> None:
    """A match or a spent budget has no cancel latency."""
    harness = new_harness(workers=1)
    harness.start()
    found, spent = harness.submit("found"), harness.submit("spent", maximum_hashes=1)
    harness.kernel.next().finish((3, 0))
    harness.kernel.next().finish()
    assert {"found", "spent"} == {harness.notified(), harness.notified()}
    for job in (found, spent):
        harness.scheduler.close_job(job, AbandonedError())

    assert [] == harness.observer.freed_after
    assert found.search.found
    assert found.search.error is None
    assert isinstance(spent.search.error, BudgetExhaustedError)


def test_fault_of_the_kernel_ends_its_search_alone(new_harness: Callable[..., Harness]) -> None:
    """The worker survives and continues with other searches."""
    harness = new_harness(workers=1)
    broken, sound = harness.submit("broken"), harness.submit("sound")
    harness.start()
    fault = RuntimeError("boom")
    harness.kernel.next().fail(fault)
    for _ in range(3):
        scanning = harness.kernel.next()
        assert "sound" == scanning.name
        scanning.finish()

    assert "broken" == harness.notified()
    taken = harness.scheduler.take(broken)
    assert fault is taken.error
    assert not taken.found
    assert (0, 0) == (taken.progress.hashes, taken.progress.next_position)
    assert harness.scheduler.take(sound).error is None


class UnexpectedError(BaseException):
    """Not expected by a worker, like `SystemExit`."""


def test_worker_that_dies_is_reported_and_leaves_no_search_hanging(
    new_harness: Callable[..., Harness],
) -> None:
    """Its search ends with a fault; the others continue on the remaining workers."""
    harness = new_harness(workers=2)
    harness.start()
    doomed, other = harness.submit("doomed"), harness.submit("other")
    scans = {scanning.name: scanning for scanning in (harness.kernel.next(), harness.kernel.next())}
    error = UnexpectedError()
    scans["doomed"].fail(error)
    assert error is harness.deaths.get(timeout=PATIENCE_SECONDS)
    assert "doomed" == harness.notified()

    taken = harness.scheduler.take(doomed)
    assert isinstance(taken.error, WorkerDiedError)
    assert error is taken.error.__cause__
    now = harness.scheduler.statistics()
    assert (1, 1, 1) == (now.workers, now.worker_deaths, now.workers_busy)
    for _ in range(3):
        scans["other"].finish()
        scans["other"] = harness.kernel.next()
        assert "other" == scans["other"].name
    assert harness.scheduler.take(other).error is None
    harness.close()
    assert 1 == harness.scheduler.statistics().worker_deaths
    assert 0 == harness.scheduler.statistics().workers_busy


def test_worker_that_dies_outside_of_a_scan_is_reported(
    new_harness: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may die while it starts, or while it delivers a scan."""
    harness = new_harness(workers=1)
    error = MemoryError()

    def fail(*_: object) -> None:
        raise error

    job = harness.submit("doctor")
    harness.start()
    scanning = harness.kernel.next()
    monkeypatch.setattr(job.pace, "measured", fail)
    scanning.finish()
    assert error is harness.deaths.get(timeout=PATIENCE_SECONDS)
    assert "doctor" == harness.notified()
    assert isinstance(harness.scheduler.take(job).error, WorkerDiedError)
    assert 0 == harness.scheduler.statistics().workers_busy

    unprepared = Harness()
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
    new_harness: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit of the system, for example; the error names the number of workers."""

    def refuse(_thread: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    harness = new_harness(workers=3)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(WorkerStartError, match="3 worker threads: can't start new thread"):
        harness.scheduler.start()


def test_invalid_scan_is_a_fault_of_its_search(
    new_harness: Callable[..., Harness],
) -> None:
    """The worker continues with other searches."""
    harness = new_harness(workers=1)
    broken = harness.submit("broken")
    harness.submit("sound")
    harness.start()
    harness.kernel.next().finish((-1, 3))
    assert "broken" == harness.notified()
    assert isinstance(harness.scheduler.take(broken).error, Exception)
    assert "sound" == harness.kernel.next().name
    assert 0 == harness.scheduler.statistics().worker_deaths


def test_last_worker_pauses_without_a_chunk(new_harness: Callable[..., Harness]) -> None:
    """Its last scan is delivered before the pause; other workers do not pause; it resumes."""
    harness = new_harness(workers=2)
    harness.start()
    job = harness.submit("doctor", maximum_hashes=10**9)
    harness.pause_seconds = 0.01
    scans = [harness.kernel.next() for _ in range(2)]
    for scanning in scans:
        scanning.finish((scanning.start, 5))
    other = harness.kernel.next()  # the first worker's
    assert "doctor" == harness.notified()
    harness.wait_until(lambda: harness.scheduler.statistics().workers_busy == 1)
    assert sorted(scanning.start for scanning in scans) == harness.scheduler.take(job).results
    harness.pause_seconds = 0.0
    harness.kernel.next()
    assert 2 == harness.scheduler.statistics().workers_busy
    assert not other.halted


def test_pause_does_not_delay_the_end(new_harness: Callable[..., Harness]) -> None:
    """A worker that pauses repeatedly ends with the others."""
    harness = new_harness(workers=1)
    harness.start()
    harness.submit("doctor")
    harness.pause_seconds = 0.01
    harness.kernel.next().finish()
    began = time.monotonic()
    harness.close()
    assert time.monotonic() - began < 5


def test_results_of_other_chunks_do_not_come_after_a_fault(
    new_harness: Callable[..., Harness],
) -> None:
    """Results merged before the fault can still be taken; the first error is kept."""
    harness = new_harness(workers=2)
    harness.start()
    job = harness.submit("doctor")
    first, second = sorted((harness.kernel.next(), harness.kernel.next()), key=lambda s: s.start)
    third_position = first.start + 3
    first.finish((third_position, 5))
    assert "doctor" == harness.notified()
    fault = RuntimeError("boom")
    second.fail(fault)
    harness.kernel.next().finish((second.stop + 1, 5))
    harness.close()

    taken = harness.scheduler.take(job)
    assert [third_position] == taken.results
    assert fault is taken.error
    assert second.start == taken.progress.next_position


def test_scans_without_use_are_halted(
    new_harness: Callable[..., Harness],
) -> None:
    """Those of a stopped search, and those after a search's match."""
    harness = new_harness(workers=2)
    harness.start()
    stopped = harness.submit("stopped")
    scans = [harness.kernel.next() for _ in range(2)]
    assert not any(scanning.halted for scanning in scans)
    harness.scheduler.close_job(stopped, AbandonedError())
    assert all(scanning.halted for scanning in scans)

    for scanning in scans:
        scanning.finish()
    harness.submit("found")
    finder, behind = sorted((harness.kernel.next() for _ in range(2)), key=lambda s: s.start)
    assert not behind.halted
    finder.finish((finder.start, 0))
    assert "found" == harness.notified()
    assert behind.halted


def test_close_ends_the_workers_after_the_chunks_in_hand(
    new_harness: Callable[..., Harness],
) -> None:
    """It returns whether they ended in time, and can be called again; queued work is not begun."""
    harness = new_harness(workers=2)
    harness.start()
    harness.submit("one")
    harness.submit("two")
    scans = [harness.kernel.next(), harness.kernel.next()]
    assert not harness.scheduler.close(0)
    for scanning in scans:
        scanning.finish()
    assert harness.scheduler.close(PATIENCE_SECONDS)
    assert harness.kernel.idle
    assert [] == [t for t in threading.enumerate() if t.name.startswith("hashfinder-worker")]


def test_stop_all_gives_every_search_an_error_of_its_own(
    new_harness: Callable[..., Harness],
) -> None:
    """Each error has its own search's progress; searches that have ended keep their outcome."""
    harness = new_harness(workers=1)
    jobs = [harness.submit(name) for name in ("one", "two", "three")]
    ended = harness.submit("ended")
    fault = RuntimeError("boom")
    ended.search.stop(fault)
    harness.scheduler.stop_all(lambda: ServerDrainingError("going away", 1.0))

    errors = [harness.scheduler.take(job).error for job in jobs]
    assert all(isinstance(error, ServerDrainingError) for error in errors)
    assert 3 == len({id(error) for error in errors})
    assert fault is harness.scheduler.take(ended).error
    assert {"one", "two", "three"} == {harness.notified() for _ in jobs}
    assert [0.0] * 3 == harness.observer.freed_after


def test_parked_search_resumes_when_its_results_are_taken(
    new_harness: Callable[..., Harness],
) -> None:
    """Until then other searches get its share."""
    harness = new_harness(workers=1)
    parked = harness.submit("parked", results=2)
    harness.submit("other")
    harness.start()
    harness.kernel.next().finish((1, 6), (2, 6))
    for _ in range(4):
        scanning = harness.kernel.next()
        assert "other" == scanning.name
        scanning.finish()
    assert 1 == harness.scheduler.statistics().parked
    assert 2 == harness.scheduler.statistics().active

    assert "parked" == harness.notified()
    assert [1, 2] == harness.scheduler.take(parked).results
    assert 0 == harness.scheduler.statistics().parked
    names = []
    for _ in range(3):
        scanning = harness.kernel.next()
        names.append(scanning.name)
        scanning.finish()
    assert "parked" in names


def test_results_are_announced_once_until_they_are_taken(
    new_harness: Callable[..., Harness],
) -> None:
    """However many chunks have results."""
    harness = new_harness(workers=1)
    job = harness.submit("doctor")
    harness.start()
    expected = []
    for _ in range(3):
        scanning = harness.kernel.next()
        expected.append(scanning.start + 5)
        scanning.finish((scanning.start + 5, 6))
    scanning = harness.kernel.next()
    assert "doctor" == harness.notified()
    assert 0 == harness.unread_notifications
    assert expected == harness.scheduler.take(job).results

    scanning.finish((scanning.start, 6))
    assert "doctor" == harness.notified()
    assert [scanning.start] == harness.scheduler.take(job).results


def test_closed_job_notifies_nobody(new_harness: Callable[..., Harness]) -> None:
    """Neither of results of the last chunk, nor of its end."""
    harness = new_harness(workers=1)
    job = harness.submit("doctor")
    harness.start()
    scanning = harness.kernel.next()
    harness.scheduler.close_job(job, AbandonedError())
    scanning.finish((0, 0))
    harness.close()

    assert 0 == harness.unread_notifications
    assert not job.search.found


def test_a_quota_is_charged_by_blocks(new_harness: Callable[..., Harness]) -> None:
    """A search with a long suffix is charged for all blocks that the server hashes."""
    harness = new_harness(rate=10, burst=100)
    query = Query("--------", 8, secret_suffix=bytes(9 * 64))
    assert 10 == query.blocks_per_candidate(8)
    search = Search(query, 0, 10**6, bounds=Bounds(chunks=1), now=harness.clock())
    stopped = threading.Event()
    job = harness.scheduler.begin("c", search)
    harness.scheduler.submit(job, stopped.set)
    harness.start()
    scanning = harness.kernel.next()
    assert (0, 10) == (scanning.start, scanning.stop)  # as many as are expected to take that time
    scanning.finish()
    assert stopped.wait(PATIENCE_SECONDS)
    taken = harness.scheduler.take(job)
    assert isinstance(taken.error, ClientQuotaExhaustedError)
    assert 10 == taken.progress.hashes


def test_an_expected_rate_is_a_share(new_harness: Callable[..., Harness]) -> None:
    """Equal among clients, then among a client's searches, and limited by its quota."""
    harness = new_harness(workers=4)
    harness.kernel.open()
    query = Query("abcdefgh")
    alone = harness.scheduler.expected_rate("a", query)
    assert alone > 0
    harness.submit("a1")
    assert alone / 2 == pytest.approx(harness.scheduler.expected_rate("a", query))
    assert alone / 2 == pytest.approx(harness.scheduler.expected_rate("b", query))
    harness.submit("b1")
    assert alone / 4 == pytest.approx(harness.scheduler.expected_rate("a", query))
    assert alone / 3 == pytest.approx(harness.scheduler.expected_rate("c", query))

    bounded = new_harness(rate=7, burst=100)
    bounded.kernel.open()
    assert 7 == bounded.scheduler.expected_rate("a", query)
    long = Query("abcdefgh", secret_suffix=bytes(6 * 64))
    assert 1 == bounded.scheduler.expected_rate("a", long)


def test_client_without_quota_is_stopped_alone(
    new_harness: Callable[..., Harness],
) -> None:
    """It stops after the chunk that overdrew the quota, with a retry delay."""
    harness = new_harness(workers=1, rate=10, burst=20)
    greedy = harness.submit("greedy")
    other = harness.submit("other", maximum_hashes=10)
    harness.start()
    scanning = harness.kernel.next()
    used = scanning.stop - scanning.start
    assert used > 20
    scanning.finish()
    harness.kernel.next().finish()
    assert {"greedy", "other"} == {harness.notified(), harness.notified()}

    taken = harness.scheduler.take(greedy)
    assert isinstance(taken.error, ClientQuotaExhaustedError)
    assert 10 == taken.error.limit
    wait = (2 - (20 - used)) / 10
    assert pytest.approx(wait) == taken.error.retry_after
    assert pytest.approx(wait) == harness.scheduler.quota_delay("g")
    assert used == taken.progress.hashes
    assert isinstance(harness.scheduler.take(other).error, BudgetExhaustedError)
    assert 0 == harness.scheduler.quota_delay("o")


def test_chunk_in_flight_when_the_quota_ends_is_kept(
    new_harness: Callable[..., Harness],
) -> None:
    """It is already charged: the search stops when the chunk returns, without a further one."""
    harness = new_harness(workers=2, rate=10, burst=20)
    job = harness.submit("doctor")
    harness.start()
    first, second = sorted(
        (harness.kernel.next(), harness.kernel.next()), key=lambda scan: scan.start
    )
    second.finish()
    harness.wait_until(lambda: harness.scheduler.statistics().workers_busy != 2)
    assert not first.halted
    assert 0 == harness.unread_notifications
    first.finish()
    assert "doctor" == harness.notified()

    taken = harness.scheduler.take(job)
    assert isinstance(taken.error, ClientQuotaExhaustedError)
    assert second.stop == taken.progress.next_position
    assert pytest.approx(harness.scheduler.quota_delay("d")) == taken.error.retry_after


def test_match_in_the_chunk_that_overdraws_the_quota_counts(
    new_harness: Callable[..., Harness],
) -> None:
    """The first outcome counts."""
    harness = new_harness(workers=1, rate=10, burst=1)
    job = harness.submit("doctor")
    harness.start()
    harness.kernel.next().finish((7, 0))
    assert "doctor" == harness.notified()
    taken = harness.scheduler.take(job)
    assert taken.found
    assert taken.error is None
    assert [7] == taken.results
    assert 8 == taken.progress.hashes


def test_progress_has_the_time_since_the_search_began(new_harness: Callable[..., Harness]) -> None:
    """By the scheduler's clock, waiting included."""
    harness = new_harness(workers=1)
    job = harness.submit("doctor")
    harness.clock.now += 7.5
    assert 7.5 == harness.scheduler.take(job).progress.seconds


def test_every_position_scanned_is_counted(new_harness: Callable[..., Harness]) -> None:
    """Including a chunk's part before its ideal candidate, and the chunks of a stopped search."""
    harness = new_harness(workers=1)
    harness.start()
    job = harness.submit("doctor")
    first = harness.kernel.next()
    first.finish()
    second = harness.kernel.next()
    second.finish((second.start + 9, 0))
    harness.notified()
    assert first.stop + 10 == harness.scheduler.statistics().hashes
    assert first.stop + 10 == harness.scheduler.take(job).progress.hashes


def test_waiting_search_uses_the_rate_measured_meanwhile(
    new_harness: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many searches that arrive at once, only the first uses a guessed rate."""
    cpu_seconds = itertools.count(0.0, 1e-5)
    monkeypatch.setattr(time, "thread_time", lambda: next(cpu_seconds))
    harness = new_harness(workers=1)
    for name in ("a", "b"):
        harness.submit(name)
    harness.start()
    first = harness.kernel.next()
    first.finish()
    second = harness.kernel.next()
    assert ("a", "b") == (first.name, second.name)
    assert second.stop - second.start > 50 * (first.stop - first.start)
