"""Searches as the event loop sees them: admitted, awaited, and stopped on every way out."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import Context, copy_context

from hashfinder.domain.allowance import AllowanceOf
from hashfinder.domain.errors import (
    AbandonedError,
    HashFinderError,
    StoppedError,
    TimeLimitReachedError,
)
from hashfinder.domain.outcome import Outcome
from hashfinder.domain.progress import Progress
from hashfinder.domain.request import SearchRequest
from hashfinder.domain.update import SearchUpdate
from hashfinder.scheduling.admission import Admission
from hashfinder.scheduling.job import Job
from hashfinder.scheduling.registry import SearchRegistry
from hashfinder.scheduling.scheduler import Scheduler
from hashfinder.search.engine import Bounds, Search
from hashfinder_rules.query import Query

_LEAVE_SECONDS = 0.5
"""How long a client may take to read what its search has found when its slot is needed."""


class Session:
    """One search under way."""

    def __init__(
        self,
        scheduler: Scheduler,
        job: Job,
        limit: asyncio.Timeout,
        prompt_context: Callable[[], Context],
        search_id: str = "",
    ) -> None:
        """Submit a job to the scheduler, which notifies the running event loop of its results.

        A task that is cancelled while it waits for them stops the search at once, however long the
        loop keeps it waiting, unless it is the `limit` that cancels it.
        """
        self.search_id = search_id
        """The server's own name for the search."""
        self._scheduler = scheduler
        self._job = job
        self._limit = limit
        self._prompt_context = prompt_context
        self._has_unsent = False
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None
        scheduler.submit(job, lambda: self._loop.call_soon_threadsafe(self._tell))
        self._has_news = job.notified

    async def take(self, patience: float | None = None) -> SearchUpdate:
        """Wait for results, or the search's end, or `patience` seconds, and take what there is.

        Raises:
            StoppedError: the search was stopped, and all its results have been taken.
        """
        self._has_unsent = False
        if not self._has_news:
            await self._wait(patience)
        self._has_news = False
        taken = self._scheduler.take(self._job)
        self._has_unsent = bool(taken.results)
        if taken.error is not None and taken.results:
            self._tell()  # the error is next
            return taken
        return _checked(taken)

    def look(self) -> tuple[Progress, bool]:
        """Return how far the search has come, and whether its client does not read."""
        return self._scheduler.look(self._job)

    def close(self) -> Exception | None:
        """Stop the search: its client does not wait any more.

        Returns:
            The error that it has ended with, an earlier one if there is; None if it found.
        """
        return self._close(AbandonedError())

    def revoke(self, error: StoppedError) -> None:
        """Stop the search for the reason `error`, such as that its slot is needed.

        A client that reads gets its results and then the error. One that does not read loses the
        slot after half a second, as if its time limit had passed.
        """
        self._scheduler.stop(self._job, error)
        end = self._loop.time() + _LEAVE_SECONDS
        if not self._limit.expired() and end < (self._limit.when() or math.inf):
            self._limit.reschedule(end)

    def time_out(self, seconds: int) -> Exception:
        """Stop the search after `seconds`; return the error to report, an earlier one if there is.

        It contains how far the search has come, unless results are left that were not sent.
        """
        late = TimeLimitReachedError(seconds)
        error = self._close(late) or late
        taken = self._scheduler.take(self._job)
        if isinstance(error, StoppedError) and not (self._has_unsent or taken.results):
            error.progress = taken.progress
        return error

    def _close(self, error: HashFinderError) -> Exception | None:
        self._scheduler.close_job(self._job, error)
        return self._job.search.error

    async def _wait(self, patience: float | None) -> None:
        self._waiting = self._loop.create_future()
        self._waiting.add_done_callback(self._stop_if_cancelled, context=self._prompt_context())
        timer = None if patience is None else self._loop.call_later(patience, self._tell)
        try:
            await self._waiting
        finally:
            if timer is not None:
                timer.cancel()

    def _tell(self) -> None:
        self._has_news = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _stop_if_cancelled(self, waiting: asyncio.Future[None]) -> None:
        if waiting.cancelled() and not self._limit.expired():
            self.close()


class SearchService:
    """Admits searches and runs them."""

    def __init__(
        self,
        admission: Admission,
        scheduler: Scheduler,
        allowance_of: AllowanceOf,
        prompt_context: Callable[[], Context] = copy_context,
    ) -> None:
        """Take who decides and who works, and how long a search of each client may take.

        `prompt_context` returns a context for callbacks that must not wait for the caller's turn on
        the event loop, where the loop knows turns.
        """
        self._admission = admission
        self._scheduler = scheduler
        self._allowance_of = allowance_of
        self._prompt_context = prompt_context
        self._bounds = Bounds(chunks=4 * scheduler.workers)
        self.registry = SearchRegistry(lambda client: allowance_of(client).weight)
        """The searches, for operators."""

    def expected_rate(self, client: str, query: Query) -> float:
        """Return how many hashes a second a new search would get. See `Scheduler`."""
        return self._scheduler.expected_rate(client, query)

    async def find(self, client: str, request: SearchRequest, outcome: Outcome) -> SearchUpdate:
        """Return the first results of a search in the share of `client`.

        One that ends with its first step is over before anything else on the event loop runs: it
        needs no slot, though one has to be free, no time limit, and nobody can stop it.

        Raises:
            StoppedError: it was refused, or stopped. See `open`.
        """
        begun: Job | None = None
        if self._admission.has_slot(client):
            begun = self._begin(client, request)
            if begun.search.ended:
                taken = self._scheduler.take(begun)
                outcome.hashes, outcome.queue_seconds = taken.progress.hashes, 0.0
                return _checked(taken)
        async with self.open(client, request, outcome, begun) as session:
            while not (taken := await session.take()).results:
                pass
        return taken

    @asynccontextmanager
    async def open(
        self, client: str, request: SearchRequest, outcome: Outcome, begun: Job | None = None
    ) -> AsyncIterator[Session]:
        """Run a search while the context lasts, in the share of `client`; `begun` if it has begun.

        However the context ends, the search is stopped and its slot is free. Where an exception
        ends it, `outcome` has what had stopped the search before, if anything did; and in any case
        what the search took.

        Raises:
            StoppedError: it was refused (see `Admission.slot`), an operator stopped it while it
                waited, or it has reached the time limit.
        """
        came = self._scheduler.clock()
        with self.registry.register(client, request) as registered:
            async with self._admission.slot(client) as slot:
                outcome.queue_seconds = self._scheduler.clock() - came
                seconds = self._allowance_of(client).maximum_seconds
                limit = asyncio.timeout(seconds)
                session = Session(
                    self._scheduler,
                    begun or self._begin(client, request),
                    limit,
                    self._prompt_context,
                    registered.search_id,
                )
                registered.run(session)
                try:
                    async with limit:
                        slot.on_revoked(session.revoke)
                        yield session
                except BaseException as error:
                    if limit.expired():
                        reason = session.time_out(seconds)
                        outcome.record(reason)
                        if not isinstance(reason, AbandonedError):
                            raise reason from error
                    else:
                        outcome.record(session.close())
                    raise
                else:
                    session.close()
                finally:
                    outcome.hashes = session.look()[0].hashes

    def _begin(self, client: str, request: SearchRequest) -> Job:
        search = Search(
            request.query,
            request.start,
            request.maximum_hashes,
            bounds=self._bounds,
            now=self._scheduler.clock(),
        )
        return self._scheduler.begin(client, search)


def _checked(taken: SearchUpdate) -> SearchUpdate:
    """Return `taken`; raise the error that a search has ended with, with how far it has come."""
    if taken.error is None or taken.results:
        return taken
    if isinstance(taken.error, StoppedError):
        taken.error.progress = taken.progress
    raise taken.error
