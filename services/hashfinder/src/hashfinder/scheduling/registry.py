"""The searches under way and those that wait for a place, as an operator sees and stops them."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hashfinder.domain.errors import StoppedByOperatorError, StoppedError
from hashfinder.domain.progress import Progress
from hashfinder.domain.request import SearchRequest

_ID_BYTES = 4


class SearchState(StrEnum):
    """What a search does."""

    WAITING = "waiting"
    """It waits for its place."""
    RUNNING = "running"
    PARKED = "parked"
    """It waits for its client to read."""


class Running(Protocol):
    """A search that has its place."""

    def look(self) -> tuple[Progress, bool]:
        """Return how far it has come, and whether it is parked."""

    def revoke(self, error: StoppedError) -> None:
        """Stop it for the reason `error`."""


@dataclass(frozen=True, slots=True)
class ListedSearch:
    """A search at one moment."""

    search_id: str
    client: str
    request: SearchRequest
    began: float
    """When it came, in seconds since 1970."""
    state: SearchState
    progress: Progress | None
    """None while it waits."""
    share: float
    """The part of the workers' time that it gets, 0 to 1."""


class RegisteredSearch:
    """One search from its arrival to its end."""

    def __init__(self, search_id: str, client: str, request: SearchRequest, now: float) -> None:
        """Take its id, whose it is, what it searches, and the time in seconds since 1970."""
        self.search_id = search_id
        self.client = client
        self.request = request
        self.began = now
        self.running: Running | None = None
        self.error: StoppedByOperatorError | None = None
        """Why it was stopped while it waited."""
        self._waiting = asyncio.current_task()

    def run(self, running: Running) -> None:
        """Note that it has its place."""
        self.running = running

    def stop(self) -> None:
        """Let it end with a `StoppedByOperatorError`, if nothing else has ended it."""
        error = StoppedByOperatorError()
        if self.running is not None:
            self.running.revoke(error)
        elif self.error is None and self._waiting is not None:
            self.error = error
            self._waiting.cancel()


class SearchRegistry:
    """Knows every search by an id of its own. Belongs to one event loop."""

    def __init__(
        self, weight_of: Callable[[str], int], clock: Callable[[], float] = time.time
    ) -> None:
        """Begin with none; `weight_of` returns how many turns of a round a client has."""
        self._weight_of = weight_of
        self._clock = clock
        self._searches: dict[str, RegisteredSearch] = {}  # the oldest first

    @contextmanager
    def register(self, client: str, request: SearchRequest) -> Iterator[RegisteredSearch]:
        """Know a search while the block lasts.

        Raises:
            StoppedByOperatorError: it was stopped while it waited.
        """
        search = RegisteredSearch(self._new_id(), client, request, self._clock())
        self._searches[search.search_id] = search
        try:
            yield search
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if search.error is None or task is None or task.uncancel():
                raise  # its client has left as well
            raise search.error from None
        finally:
            del self._searches[search.search_id]

    def snapshot(self, client: str = "") -> list[ListedSearch]:
        """Return the searches, all or those of one client, the oldest first."""
        looks = {
            each.search_id: each.running.look()
            for each in self._searches.values()
            if each.running is not None
        }
        shares = self._shares(looks)
        return [
            _listed(each, looks.get(each.search_id), shares)
            for each in self._searches.values()
            if client in {"", each.client}
        ]

    def stop(self, search_id: str) -> bool:
        """Stop a search; return whether there is one of this id."""
        search = self._searches.get(search_id)
        if search is not None:
            search.stop()
        return search is not None

    def of_client(self, client: str) -> list[str]:
        """Return the ids of a client's searches."""
        return [each.search_id for each in self._searches.values() if each.client == client]

    def _shares(self, looks: Mapping[str, tuple[Progress, bool]]) -> dict[str, float]:
        """Return for each client the share of each of its searches that run."""
        running = Counter(
            each.client
            for each in self._searches.values()
            if each.search_id in looks and not looks[each.search_id][1]
        )
        weights = {client: self._weight_of(client) for client in running}
        whole = sum(weights.values())
        return {client: weights[client] / whole / count for client, count in running.items()}

    def _new_id(self) -> str:
        while (search_id := secrets.token_hex(_ID_BYTES)) in self._searches:
            pass
        return search_id


def _listed(
    search: RegisteredSearch, look: tuple[Progress, bool] | None, shares: Mapping[str, float]
) -> ListedSearch:
    progress, parked = look or (None, False)
    state = SearchState.PARKED if parked else SearchState.RUNNING
    if look is None:
        state = SearchState.WAITING
    share = shares[search.client] if state is SearchState.RUNNING else 0.0
    return ListedSearch(
        search.search_id, search.client, search.request, search.began, state, progress, share
    )
