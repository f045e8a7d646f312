"""Who may search now: limits on searches in all, for each client, and on those that wait."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hashfinder.domain.allowance import AllowanceOf
from hashfinder.domain.errors import (
    ClientQuotaExhaustedError,
    ServerDrainingError,
    ServerOverloadedError,
    TooManySearchesError,
)
from hashfinder.scheduling.fair_queue import FairQueue
from hashfinder.scheduling.slots import Slot, SlotTable

DRAINING_RETRY_SECONDS = 1.0
"""The retry delay that a draining server sends: another server is up, or starts."""
_SHORTEST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 30.0
_PATIENCE_SECONDS = 0.25
"""How long a search waits for a slot to be given back before another is asked for its own."""
_HANDOVER_SECONDS = 2.0
"""How long it waits then, at least: a search that was asked ends within a second."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many searches the server takes."""

    searches: int
    """Under way at once."""
    waiting: int
    """That wait for one under way to end."""
    wait_seconds: float
    """For how long they wait."""


class Admission:
    """Hands out slots for searches. Belongs to one event loop."""

    def __init__(
        self,
        limits: Limits,
        allowance_of: AllowanceOf,
        quota_delay: Callable[[str], float],
        clock: Callable[[], float],
    ) -> None:
        """Take the limits, and what returns for how many seconds a client is out of quota."""
        self._limits = limits
        self._allowance_of = allowance_of
        self._quota_delay = quota_delay
        self._clock = clock
        self._slots = SlotTable()
        self._clients: Counter[str] = Counter()
        self._waiting: FairQueue[asyncio.Future[Slot]] = FairQueue()
        self._promised: Counter[str] = Counter()  # slots asked back for the clients that wait
        self._mean_seconds = 1.0  # of holding a slot, exponentially smoothed
        self._closed = False

    @property
    def taken(self) -> int:
        """The number of slots in use."""
        return self._slots.taken

    @property
    def waiting(self) -> int:
        """The number of searches that wait for a slot."""
        return len(self._waiting)

    @property
    def _is_free(self) -> bool:
        return self._slots.taken < self._limits.searches

    def has_slot(self, client: str) -> bool:
        """Return whether a search of `client` would get a slot now, without waiting.

        Raises:
            StoppedError: it would be refused. See `slot`.
        """
        self._check(client)
        return self._is_free

    @asynccontextmanager
    async def slot(self, client: str) -> AsyncIterator[Slot]:
        """Hold a slot for a search of `client`, which may have to wait for it.

        Where slots are scarce, the client with the fewest gets the next one, and one that another
        client holds may be asked for: see `SlotTable.reclaim`. The holder sets `on_revoked`.

        Raises:
            TooManySearchesError: the client has as many as one may have.
            ClientQuotaExhaustedError: the client has used up its hash rate.
            ServerOverloadedError: too many wait already, or it waited too long.
            ServerDrainingError: the server takes no more searches.
        """
        self._check(client)
        self._clients[client] += 1
        try:
            slot = await self._take(client)
            try:
                yield slot
            finally:
                self._mean_seconds += 0.1 * (self._clock() - slot.since - self._mean_seconds)
                self._release(slot)
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
        allowance = self._allowance_of(client)
        limit = allowance.searches
        if self._clients[client] >= limit:
            message = f"this client has {limit} searches, the most that one client may have"
            raise TooManySearchesError(message, self._retry_after(), limit)
        if delay := self._quota_delay(client):
            raise ClientQuotaExhaustedError(delay, allowance.hash_rate)

    async def _take(self, client: str) -> Slot:
        if self._is_free:
            return self._slots.add(client, self._clock())
        has_room = len(self._waiting) < self._limits.waiting or self._displace(client)
        promised = not has_room and self._reclaim(client)
        if not has_room and not promised:
            raise self._overloaded()
        waiter: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting.push(client, waiter)
        try:
            if not promised:
                patience = min(_PATIENCE_SECONDS, self._limits.wait_seconds / 2)
                await asyncio.wait({waiter}, timeout=patience)
                promised = not waiter.done() and self._reclaim(client)
                rest = self._limits.wait_seconds - patience
            else:
                rest = self._limits.wait_seconds
            if not waiter.done():
                rest = max(rest, _HANDOVER_SECONDS) if promised else rest
                await asyncio.wait({waiter}, timeout=rest)
            if not waiter.done():
                self._waiting.discard(client, waiter)
                raise self._overloaded()
            return waiter.result()
        except asyncio.CancelledError:
            if waiter.done() and waiter.exception() is None:
                self._release(waiter.result())  # it came in the same moment as the cancel
            raise
        finally:
            self._waiting.discard(client, waiter)
            if promised:
                self._promised[client] -= 1
                self._promised += Counter()  # drops those without any

    def _release(self, slot: Slot) -> None:
        self._slots.remove(slot)
        if not self._waiting:
            return
        # The first of those with the fewest: a client without a slot goes ahead of all others.
        client = min(self._waiting.clients(), key=self._slots.count)
        self._waiting.pop(client).set_result(self._slots.add(client, self._clock()))

    def _reclaim(self, client: str) -> bool:
        """Ask a search of another client for its slot, if that is fair; say whether."""
        own = self._slots.count(client) + self._promised[client]
        slot = self._slots.reclaim(own, self._clock())
        if slot is None:
            return False
        self._promised[client] += 1
        message = "the server needs the place of this search for another client: resume it later"
        slot.revoke(ServerOverloadedError(message, self._retry_after(), self._limits.searches))
        return True

    def _displace(self, client: str) -> bool:
        """Turn away the newest that waits of the client with most, for one with fewer."""
        waiting = self._waiting.clients()
        largest = max(waiting, key=self._waiting.count, default=client)
        if self._waiting.count(largest) < self._waiting.count(client) + 2:
            return False
        self._waiting.pop_newest(largest).set_exception(self._overloaded())
        return True

    def _overloaded(self) -> ServerOverloadedError:
        limit = self._limits.searches
        message = f"the server has {limit} searches, the most that it accepts"
        return ServerOverloadedError(message, self._retry_after(), limit)

    def _retry_after(self) -> float:
        """Return about how long it takes until a slot is free for one who comes now."""
        turns = (len(self._waiting) + 1) / self._limits.searches
        seconds = self._mean_seconds * turns
        return min(max(seconds, _SHORTEST_RETRY_SECONDS), _LONGEST_RETRY_SECONDS)


def draining_error() -> ServerDrainingError:
    """Return the error of a server that goes away."""
    return ServerDrainingError("the server is shutting down", DRAINING_RETRY_SECONDS)
