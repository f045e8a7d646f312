"""The worker threads: each takes the fairest next chunk, scans it, and gives it back.

Chunks last some milliseconds of CPU, so that a new search gets its turn within about that time. A
stopped search frees its workers at once: its scans are halted in the middle of their chunks. A
search alone has chunks on all workers at once.

Workers and callers share one lock, which is why this module holds both, at over 250 lines.
"""

import math
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from hashfinder.domain.allowance import AllowanceOf
from hashfinder.domain.errors import (
    ClientQuotaExhaustedError,
    HashFinderError,
    StoppedError,
    WorkerDiedError,
    WorkerStartError,
)
from hashfinder.domain.progress import Progress
from hashfinder.domain.update import SearchUpdate
from hashfinder.kernel import Kernel, Scan
from hashfinder.scheduling.hooks import NO_HOOKS, WorkerHooks
from hashfinder.scheduling.job import Job
from hashfinder.scheduling.pace import Rates, measure, typical_blocks
from hashfinder.scheduling.quota import Quota
from hashfinder.scheduling.statistics import SchedulerObserver, SchedulerStatistics
from hashfinder.scheduling.weighted_queue import WeightedQueue
from hashfinder.search.engine import Chunk, Search
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm, Scheme


class _Done(NamedTuple):
    """A chunk that was scanned."""

    job: Job
    chunk: Chunk
    scan: Scan
    seconds: float
    """Of CPU."""
    fault: Exception | None


class Scheduler:
    """Runs searches on `workers` threads."""

    def __init__(
        self,
        kernel: Kernel,
        workers: int,
        allowance_of: AllowanceOf,
        observer: SchedulerObserver,
        *,
        chunk_seconds: float,
        first_step_seconds: float = 0.0,
        hooks: WorkerHooks = NO_HOOKS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the kernel to scan with; nothing runs before `start`.

        A search may be scanned for `first_step_seconds` where it begins. See `begin`.
        """
        self.clock = clock
        self.workers = workers
        self._kernel = kernel
        self._allowance_of = allowance_of
        self._quota = Quota(allowance_of, clock)
        self._observer = observer
        self._chunk_seconds = chunk_seconds
        self._first_step_seconds = first_step_seconds
        self._hooks = hooks
        self._deaths = 0
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._queue: WeightedQueue[Job] = WeightedQueue(lambda each: allowance_of(each).weight)
        self._jobs: set[Job] = set()
        self._hashes = 0
        self._hands: dict[int, Job] = {}  # what each busy worker scans for, by its number
        self._idle = 0  # workers that wait for a chunk
        self._rates = Rates()
        self._closing = False
        self._threads = [
            threading.Thread(
                target=self._run, args=(n,), name=f"hashfinder-worker-{n}", daemon=True
            )
            for n in range(workers)
        ]

    def start(self) -> None:
        """Start the workers.

        Raises:
            WorkerStartError: the system lets no more threads start.
        """
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError as error:
            message = f"cannot start {self.workers} worker threads: {error}"
            raise WorkerStartError(message) from error

    def calibrate(self) -> None:
        """Measure how fast each hash is computed, some milliseconds for each."""
        for algorithm in Algorithm:
            self._rate_of(Query("hopelesshopeless", scheme=Scheme(algorithm)))

    def close(self, timeout: float) -> bool:
        """End the workers after the chunks in hand; say whether all ended within `timeout` s."""
        with self._work:
            self._closing = True
            self._work.notify_all()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def begin(self, client: str, search: Search) -> Job:
        """Return `search` as a job in the share of `client`, after its first step.

        Its first positions are scanned at once on the calling thread: a search that ends there
        needs no worker, and no `submit`. That takes `first_step_seconds` at most, and is left out
        where the rate of the hash is not known, or another search of the client waits for a worker.
        """
        job = Job(client, search, self._kernel.prepare(search.query))
        with self._lock:
            size = self._rates.first_step(search.query, self._first_step_seconds)
            if not size or self._queue.has(client):
                return job
        chunk = search.claim(size)
        scan, fault = self._scan(job, chunk)
        with self._lock:
            self._settle(_Done(job, chunk, scan, 0.0, fault))  # too short to tell the pace
        return job

    def submit(self, job: Job, notify: Callable[[], object]) -> None:
        """Let the workers go on with a job.

        `notify` is called from a worker, holding the lock, when there are results to take or the
        search has ended: it must return at once and must not call back. It is not called for what
        the first step has found: then the job is `notified`.
        """
        with self._lock:
            self._jobs.add(job)
            job.notify = notify
            job.notified = job.search.ended or job.search.has_results
            self._enqueue(job)
            self._wake()

    def stop(self, job: Job, error: StoppedError) -> None:
        """Stop the search of a job for the reason `error`, if it has not ended."""
        with self._lock:
            self._stop(job, error)

    def look(self, job: Job) -> tuple[Progress, bool]:
        """Return how far the search of a job has come, and whether it is parked."""
        with self._lock:
            return job.search.progress(self.clock()), job.search.parked

    def stop_all(self, make_error: Callable[[], StoppedError]) -> None:
        """Stop every search, each for a reason of its own from `make_error`."""
        with self._lock:
            for job in self._jobs:
                self._stop(job, make_error())

    def statistics(self) -> SchedulerStatistics:
        """Return what is under way now."""
        with self._lock:
            parked = sum(job.search.parked for job in self._jobs)
            clients = len({job.client for job in self._jobs})
            return SchedulerStatistics(
                hashes=self._hashes,
                active=len(self._jobs),
                parked=parked,
                clients=clients,
                workers_busy=len(self._hands),
                workers=self.workers - self._deaths,
                worker_deaths=self._deaths,
            )

    def quota_delay(self, client: str) -> float:
        """Return for how many seconds `client` is out of quota."""
        if not self._allowance_of(client).hash_rate:
            return 0.0
        with self._lock:
            return self._quota.delay(client)

    def expected_rate(self, client: str, query: Query) -> float:
        """Return about how many hashes a second a new search of `client` would get now.

        That is a share of what the workers do: by weight among clients, then equal among their
        searches, and at most the client's quota. May scan for some milliseconds, on the calling
        thread.
        """
        rate = self._rate_of(query)
        with self._lock:
            clients = {job.client for job in self._jobs} | {client}
            searches = sum(job.client == client for job in self._jobs) + 1
        own = self._allowance_of(client)
        weights = sum(self._allowance_of(each).weight for each in clients)
        rate *= self.workers * own.weight / (weights * searches)
        return min(rate, own.hash_rate / typical_blocks(query)) if own.hash_rate else rate

    def take(self, job: Job) -> SearchUpdate:
        """Take the results that wait, in order; a parked search resumes."""
        with self._lock:
            search = job.search
            update = SearchUpdate(
                search.take_results(), search.progress(self.clock()), search.found, search.error
            )
            job.notified = False
            self._enqueue(job)
            self._wake()
            return update

    def close_job(self, job: Job, error: HashFinderError) -> None:
        """Forget a job; stop its search for the reason `error` if it has not ended."""
        with self._lock:
            self._jobs.discard(job)
            job.notify = None
            self._stop(job, error)

    def _rate_of(self, query: Query) -> float:
        with self._lock:
            rate = self._rates.known(query)
        if rate is None:
            rate = measure(self._kernel.prepare(query), query)
            with self._lock:
                self._rates.measured(query, rate, math.inf)
        return rate

    def _enqueue(self, job: Job) -> None:
        if not job.queued and job.runnable:
            job.queued = True
            self._queue.push(job.client, job)

    def _wake(self) -> None:
        """Wake one idle worker if there is work; it wakes the next one when it has taken some."""
        if self._idle and self._queue:
            self._work.notify()

    def _stop(self, job: Job, error: Exception) -> None:
        if job.search.stop(error):
            job.stopped_at = self.clock()
            self._notify(job)

    def _notify(self, job: Job) -> None:
        search = job.search
        if job.stopped_at is not None and search.idle:
            self._observer.freed(self.clock() - job.stopped_at)
            job.stopped_at = None
        if job.notify and not job.notified and (search.ended or search.has_results):
            job.notified = True
            job.notify()

    def _run(self, number: int) -> None:
        done: _Done | None = None
        try:
            self._hooks.prepare()
            cpu_seconds = time.thread_time()
            while (work := self._exchange(number, done)) is not None:
                scan, fault = self._scan(*work)
                # Read once for each chunk, as it takes long: the exchange counts with its chunk.
                before, cpu_seconds = cpu_seconds, time.thread_time()
                done = _Done(*work, scan, cpu_seconds - before, fault)
                if number == self.workers - 1 and (seconds := self._hooks.pause()):
                    self._give_back(number, done)
                    done = None
                    self._wait_out(seconds)
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is reported
            self._die(number, error)

    def _scan(self, job: Job, chunk: Chunk) -> tuple[Scan, Exception | None]:
        """Return what the kernel finds; its fault ends the search, not the worker."""
        try:
            scan = job.scanner.scan(
                chunk.start,
                chunk.stop,
                chunk.best_distance,
                job.search.bounds.hits_per_chunk,
                job.search.halt,
            )
        except Exception as error:  # noqa: BLE001  # of any kind
            return Scan(chunk.start, []), error
        return scan, None

    def _die(self, number: int, error: BaseException) -> None:
        """Report the end of this thread, and end the search in its hands."""
        fault = WorkerDiedError()
        fault.__cause__ = error
        try:
            with self._lock:
                self._deaths += 1
                if number in self._hands:
                    self._stop(self._hands.pop(number), fault)
        finally:
            self._hooks.died(error)

    def _exchange(self, number: int, done: _Done | None) -> tuple[Job, Chunk] | None:
        """Give back a chunk and wait for the next, all under one lock; None when we close."""
        with self._work:
            if done is not None:
                self._take_back(number, done)
            while not self._closing:
                while self._queue:
                    job = self._queue.pop()
                    job.queued = False
                    if job.runnable:
                        self._hands[number] = job
                        guess = self._rates.guess(job.search.query)
                        size = job.pace.chunk_size(self._chunk_seconds, guess)
                        chunk = job.search.claim(size)
                        self._enqueue(job)
                        self._wake()
                        return job, chunk
                self._idle += 1
                self._work.wait()
                self._idle -= 1
            return None

    def _wait_out(self, seconds: float) -> None:
        while seconds and not self._closing:
            time.sleep(seconds)
            seconds = self._hooks.pause()

    def _give_back(self, number: int, done: _Done) -> None:
        with self._work:
            self._take_back(number, done)
            self._wake()

    def _take_back(self, number: int, done: _Done) -> None:
        self._settle(done)
        self._enqueue(done.job)
        del self._hands[number]

    def _charge(self, done: _Done) -> float:
        """Charge the client of a chunk for its blocks; return the delay of `Quota.charge`."""
        client = done.job.client
        if not self._allowance_of(client).hash_rate:
            return 0.0
        blocks = done.job.search.query.blocks_between(done.chunk.start, done.scan.stop)
        return self._quota.charge(client, blocks)

    def _settle(self, done: _Done) -> None:
        job = done.job
        hashes = done.scan.stop - done.chunk.start
        self._hashes += hashes
        job.pace.measured(hashes, done.seconds)
        if job.pace.rate:
            self._rates.measured(job.search.query, job.pace.rate, hashes)
        delay = self._charge(done)
        if done.fault is not None:
            self._stop(job, done.fault)
        try:
            job.search.give_back(done.chunk, done.scan)
        except Exception as error:  # noqa: BLE001  # a scan that makes no sense is a fault, too
            self._stop(job, error)
        # What is paid for is not thrown away: the chunks that are out come back first.
        job.overdrawn = delay > 0
        if job.overdrawn and job.search.idle:
            rate = self._allowance_of(job.client).hash_rate
            self._stop(job, ClientQuotaExhaustedError(delay, rate))
        self._notify(job)
