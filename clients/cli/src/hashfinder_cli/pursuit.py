"""A search over as many RPCs as it takes, as a state machine: no I/O, no thread, no sleep.

Whoever does the I/O asks for the `request` of the next RPC, hands over each message (`take`), and
at the end the status (`end`), which says whether to pause and make another RPC, or raises.

Nothing is skipped: results come in order of position, so that every result before the last one
told, or before a report's next position, has been handed over. The next RPC starts at the larger
of the two, so that nothing is handed over twice, and only what was searched since is searched
again.
"""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from grpc import StatusCode

from hashfinder_cli.chance import chance_of_hit, hit_probability
from hashfinder_cli.errors import (
    BUDGET_EXHAUSTED,
    BudgetSpentError,
    Details,
    StoppedError,
    UnavailableError,
    detail,
    stopped_error,
)
from hashfinder_cli.events import Ended
from hashfinder_cli.query import KEYSPACE, Query
from hashfinder_cli.verify import Result, Verifier
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse, SearchProgress

DEFAULT_RETRIES = 8
"""With the delays below, this outlasts half a minute without a server."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When to make another RPC. Never after a request refused, a fault, a cancel or a deadline."""

    resume: bool = True
    """Go on after a spent budget, a quota, an overload, a drain or a lost connection. Without it,
    only a search that has not begun is tried again, and only where the server says when."""
    retries: int = DEFAULT_RETRIES
    """How often in a row, with nothing searched in between."""
    first_delay: float = 0.25
    """Seconds after a lost connection; doubled with each further one, and half of it at random."""
    longest_delay: float = 8.0

    def delay(self, retry_after: float | None, failures: int, draw: float) -> float:
        """Return how many seconds to wait.

        Args:
            retry_after: what the server asks for. It is waited for in full, with up to a quarter
                more, so that clients that were sent away together do not come back together.
            failures: how many RPCs in a row have searched nothing.
            draw: a random number from 0 to 1.
        """
        if retry_after is not None:
            return retry_after * (1 + draw / 4)
        doubled = self.first_delay * 2.0 ** min(failures, 64)
        return min(doubled, self.longest_delay) * (1 + draw) / 2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the search has come, over all of its RPCs."""

    hashes: int
    next_position: int | None
    """Where to go on; None where nothing is left."""
    rate: float
    """Positions per second: of this RPC, as the server measured it; of a search in ranges, of all
    of it since it began."""
    best: Result | None
    chance: float
    """The chance of an ideal result by now, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Pause:
    """An RPC has ended, and another one goes on after a delay."""

    error: StoppedError
    """Why it ended."""
    delay: float
    """Seconds."""


News: TypeAlias = Result | Progress | Pause


class Pursuit:
    """One search. Not thread-safe."""

    def __init__(
        self,
        query: Query,
        policy: RetryPolicy,
        *,
        timeout: float = math.inf,
        progress_interval: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Begin.

        Args:
            query: what to search for.
            policy: when to make another RPC.
            timeout: seconds for all of it.
            progress_interval: seconds between two reports; None for none.
            clock: tells the time in seconds.
            draw: gives a random number from 0 to 1.
        """
        self.found: Result | None = None
        """The ideal result, which ends the search."""
        self._query = query
        self._policy = policy
        self._progress_interval = progress_interval
        self._clock = clock
        self._draw = draw
        self._deadline = clock() + timeout
        self._verifier = Verifier(query)
        self._start = self._next = query.first_position
        self._is_told = False
        self._is_classic = False
        self._hashes = 0
        self._best: Result | None = None
        self._failures = 0

    @property
    def next_position(self) -> int | None:
        """Where to go on; None where that is not known, or nothing is left."""
        return self._next if self._is_told and self._next < KEYSPACE else None

    @property
    def reached(self) -> int:
        """The first position that is not known to be searched."""
        return self._next

    @property
    def is_searched(self) -> bool:
        """Whether nothing is left of the range."""
        return self._next >= self._query.limit

    def remaining(self) -> float | None:
        """Return how many seconds are left: the timeout of the next RPC. None for no bound."""
        left = self._deadline - self._clock()
        return None if left == math.inf else max(0.0, left)

    def request(self) -> HashNameRequest:
        """Begin an RPC; return its request."""
        self._start = self._next
        request = self._query.message(self._start)
        if self._progress_interval is not None:
            request.progress_interval.FromNanoseconds(round(self._progress_interval * 1e9))
        return request

    def take(self, message: HashNameResponse) -> Result | Progress:
        """Return what a message tells.

        Raises:
            UntrueResultError: it is not true.
        """
        if message.HasField("progress"):
            return self._take_progress(message.progress)
        result = self._verifier.result(message)
        if message.HasField("position"):
            self._reach(result.position + 1)
        else:
            # A server of the classic contract cannot start anywhere else.
            self._is_classic = True
        self._compare(result)
        if result.distance <= self._query.ideal_distance:
            self.found = result
        return result

    def end(self, ended: Ended) -> Pause:
        """Return for how long to pause before the next RPC.

        Raises:
            StoppedError: there is to be none.
            UntrueResultError: the status tells something that is not true.
        """
        if (progress := detail(ended.rich, SearchProgress)) is not None:
            self._take_progress(progress)
        error = self._error(ended)
        self._failures = 0 if self._next > self._start else self._failures + 1
        if not self._is_worth_another(error):
            raise error
        pause = Pause(error, self._delay(error))
        if self._clock() + pause.delay >= self._deadline:
            raise error
        return pause

    def _take_progress(self, progress: SearchProgress) -> Progress:
        if progress.HasField("best_candidate"):
            self._compare(self._verifier.candidate(progress.best_candidate))
        hashes = self._start - self._query.first_position + progress.hashes_computed
        self._hashes = max(self._hashes, hashes)
        is_left = progress.HasField("next_position")
        self._reach(progress.next_position if is_left else KEYSPACE)
        probability = hit_probability(self._query.name, self._query.ideal_distance)
        rate = progress.hashes_per_second
        return Progress(
            hashes=self._hashes,
            next_position=self.next_position,
            rate=rate if math.isfinite(rate) else 0.0,
            best=self._best,
            chance=chance_of_hit(probability, self._hashes),
        )

    def _reach(self, position: int) -> None:
        self._is_told = True
        self._next = max(self._next, position)

    def _compare(self, result: Result) -> None:
        best = self._best
        if best is None or (result.distance, result.position) < (best.distance, best.position):
            self._best = result

    def _error(self, ended: Ended) -> StoppedError:
        details = Details.of(ended.rich)
        kind = stopped_error(ended.code, details.reason)
        if kind is UnavailableError and self.is_searched:
            kind = BudgetSpentError  # The last report told all that was left to tell.
        return kind(
            ended,
            details,
            hashes=self._hashes,
            next_position=self.next_position,
            best=self._best,
        )

    def _is_worth_another(self, error: StoppedError) -> bool:
        if self._is_classic or self.is_searched:
            return False
        if self._failures > self._policy.retries:
            return False
        if error.status not in {StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNAVAILABLE}:
            return False
        if not self._policy.resume:
            return error.retry_after is not None and self._next == self._query.first_position
        if error.details.reason == BUDGET_EXHAUSTED:
            return self._next > self._start  # The same request would end the same way.
        return error.status is StatusCode.UNAVAILABLE or error.retry_after is not None

    def _delay(self, error: StoppedError) -> float:
        if error.details.reason == BUDGET_EXHAUSTED:
            return 0.0
        return self._policy.delay(error.retry_after, self._failures, self._draw())
