"""Who may search now: limits on searches in all, for each client, and on those that wait."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hashfinder.domain.errors import (
    ClientQuotaExhaustedError,
    ServerDrainingError,
    ServerOverloadedError,
    TooManySearchesError,
)
from hashfinder.scheduling.fair_queue import FairQueue

DRAINING_RETRY_SECONDS = 1.0
"""What a draining server tells its clients to wait: another one is up, or starts."""
_SHORTEST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How many searches the server takes."""

    searches: int
    """Under way at once."""
    searches_per_client: int
    """Of one client at once, those that wait included."""
    waiting: int
    """That wait for one under way to end."""
    wait_seconds: float
    """For how long they wait."""


class Admission:
    """Hands out slots for searches. Belongs to one event loop."""

    def __init__(
        self,
        limits: Limits,
        quota_delay: Callable[[str], float],
        quota_rate: int,
        clock: Callable[[], float],
    ) -> None:
        """Take the limits, and what tells for how many seconds a client is out of quota."""
        self._limits = limits
        self._quota_delay = quota_delay
        self._quota_rate = quota_rate
        self._clock = clock
        self._taken = 0
        self._clients: Counter[str] = Counter()
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()
        self._mean_seconds = 1.0  # of holding a slot, exponentially smoothed
        self._closed = False

    @property
    def taken(self) -> int:
        """The number of slots in use."""
        return self._taken

    @property
    def waiting(self) -> int:
        """The number of searches that wait for a slot."""
        return len(self._waiting)

    @asynccontextmanager
    async def slot(self, client: str) -> AsyncIterator[None]:
        """Hold a slot for a search of `client`, which may have to wait for it.

        Raises:
            TooManySearchesError: the client has as many as one may have.
            ClientQuotaExhaustedError: the client has used up its hash rate.
            ServerOverloadedError: too many wait already, or it waited too long.
            ServerDrainingError: the server takes no more searches.
        """
        self._check(client)
        self._clients[client] += 1
        try:
            await self._take(client)
            began = self._clock()
            try:
                yield
            finally:
                self._mean_seconds += 0.1 * (self._clock() - began - self._mean_seconds)
                self._release()
        finally:
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]

    def close(self) -> None:
        """Take no more searches, and turn those away that wait."""
        self._closed = True
        while self._waiting:
            waiter = self._waiting.pop()
            if not waiter.done():
                waiter.set_exception(draining_error())

    def _check(self, client: str) -> None:
        if self._closed:
            raise draining_error()
        limit = self._limits.searches_per_client
        if self._clients[client] >= limit:
            message = f"this client has {limit} searches under way, as many as one may have"
            raise TooManySearchesError(message, self._retry_after(), limit)
        if delay := self._quota_delay(client):
            raise ClientQuotaExhaustedError(delay, self._quota_rate)

    async def _take(self, client: str) -> None:
        if self._taken < self._limits.searches:
            self._taken += 1
            return
        if len(self._waiting) >= self._limits.waiting:
            raise self._overloaded()
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.push(client, waiter)
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await waiter
        except BaseException as error:
            self._waiting.discard(client, waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._release()  # the slot came in the same moment as the end of the wait
            if isinstance(error, TimeoutError):
                raise self._overloaded() from None
            raise

    def _release(self) -> None:
        while self._waiting:
            waiter = self._waiting.pop()
            if not waiter.done():
                waiter.set_result(None)  # hands the slot on
                return
        self._taken -= 1

    def _overloaded(self) -> ServerOverloadedError:
        limit = self._limits.searches
        message = f"the server has {limit} searches under way, as many as it takes"
        return ServerOverloadedError(message, self._retry_after(), limit)

    def _retry_after(self) -> float:
        """Return about how long it takes until a slot is free for one who comes now."""
        turns = (len(self._waiting) + 1) / self._limits.searches
        seconds = self._mean_seconds * turns
        return min(max(seconds, _SHORTEST_RETRY_SECONDS), _LONGEST_RETRY_SECONDS)


def draining_error() -> ServerDrainingError:
    """Return the error of a server that goes away."""
    return ServerDrainingError("the server is shutting down", DRAINING_RETRY_SECONDS)
