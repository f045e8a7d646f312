"""A search over as many RPCs as it takes, as a state machine: no I/O, no thread, no sleep.

The caller does the I/O: it asks for the `request` of the next RPC, and passes each message (`take`)
and at the end the status (`end`), which says whether to pause and make another RPC, or raises.

Nothing is skipped: results come in order of position, so every result before the last one, or
before a report's next position, has been returned. The next RPC starts at the larger of the two:
nothing is returned twice, and only what was searched since is searched again.
"""

import math
import random
import time
from collections.abc import Callable

from grpc import StatusCode

from hashfinder_client.errors import (
    BUDGET_EXHAUSTED,
    BudgetSpentError,
    BusyError,
    StoppedError,
    TimeLimitError,
    TlsError,
    UnavailableError,
)
from hashfinder_client.events import Match, Pause, Progress, better
from hashfinder_client.numbers import check_seconds
from hashfinder_client.query import Query
from hashfinder_client.retry import RetryPolicy, rpc_timeout
from hashfinder_client.status import RpcStatus, detail
from hashfinder_client.verification import Verifier
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse, SearchProgress

DEADLINE_SLACK = 1.0
"""Seconds by which an RPC may reach the deadline before this side's clock does."""
LEAST_PATIENCE = 20.0
"""Seconds of silence after which a server that sends reports is taken for lost, at least; and
one that sends none is probed."""
MISSING_REPORTS = 3
"""How many reports in a row have to be missing for that."""


class ResumableSearch:
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
            clock: returns the time in seconds.
            draw: gives a random number from 0 to 1.
        """
        self.found: Match | None = None
        """The ideal result, which ends the search."""
        self._query = query
        self._policy = policy
        self._progress_interval = progress_interval
        self._clock = clock
        self._draw = draw
        self._deadline = clock() + check_seconds("timeout", timeout)
        self._verifier = Verifier(query)
        self._start = self._next = query.first_position
        self._is_told = False
        self._is_classic = False
        self._hashes = 0
        self._best: Match | None = None
        self._failures = 0
        """RPCs in a row that have searched nothing and count against the policy's retries."""
        self._refusals = 0
        """RPCs in a row that a draining server has refused."""

    @property
    def next_position(self) -> int | None:
        """Where to resume; None where that is not known, or nothing is left."""
        return self._next if self._is_told and self._next < self._query.keyspace.end else None

    @property
    def reached(self) -> int:
        """The first position that is not known to be searched."""
        return self._next

    @property
    def is_searched(self) -> bool:
        """Whether nothing is left of the range."""
        return self._next >= self._query.limit

    def resume_at(self, position: int) -> None:
        """Take all before `position` as searched, by an earlier process. Before the first request.

        Raises:
            ValueError: the position is not in the range, nor its end.
        """
        if not self._query.first_position <= position <= self._query.limit:
            message = f"position {position} is outside the range"
            raise ValueError(message)
        self._reach(position)
        self._hashes = position - self._query.first_position

    @property
    def patience(self) -> float:
        """Seconds for which the server may be silent before it is taken for lost, or probed.

        A connection may be lost without a word, as by a firewall that forgets it. The server finds
        that out by its keepalive, and frees the search; this side must not ping as often.
        """
        return max(LEAST_PATIENCE, MISSING_REPORTS * (self._progress_interval or 0.0))

    @property
    def knows_reports(self) -> bool:
        """Whether an RPC has told a position: such a server reports, from the start of the next.

        False where no reports are asked for.
        """
        return self._is_told and self._progress_interval is not None

    def remaining(self) -> float | None:
        """Return how many seconds are left: the timeout of the next RPC. None for no bound."""
        return rpc_timeout(self._deadline - self._clock())

    def request(self) -> HashNameRequest:
        """Begin an RPC; return its request."""
        self._start = self._next
        request = self._query.message(self._start)
        if self._progress_interval is not None:
            request.progress_interval.FromNanoseconds(round(self._progress_interval * 1e9))
        return request

    def take(self, message: HashNameResponse) -> Match | Progress:
        """Return the event that a message contains.

        Raises:
            VerificationError: it is not true.
        """
        if message.HasField("progress"):
            return self._take_progress(message.progress)
        result = self._verifier.result(message)
        if message.HasField("position"):
            self._reach(result.position + 1)
        else:
            # A server of the classic contract cannot start anywhere else.
            self._is_classic = True
        self._best = better(self._best, result)
        if result.distance <= self._query.ideal_distance:
            self.found = result
        return result

    def end(self, ended: RpcStatus) -> Pause:
        """Return for how long to pause before the next RPC.

        Raises:
            StoppedError: there is to be none.
            VerificationError: the status contains something that is not true.
        """
        if (progress := detail(ended.rich, SearchProgress)) is not None:
            self._take_progress(progress)
        error = self._error(ended)
        has_searched = self._next > self._start
        is_draining = self._policy.resume and ended.drains  # Every drain ends.
        self._refusals = self._refusals + 1 if is_draining and not has_searched else 0
        self._failures = 0 if has_searched else self._failures + (not is_draining)
        if not self._is_worth_another(error, ended):
            raise error
        pause = Pause(error, self._delay(error, ended))
        if self._clock() + pause.delay >= self._deadline:
            raise error
        return pause

    def _take_progress(self, progress: SearchProgress) -> Progress:
        if progress.HasField("best_candidate"):
            self._best = better(self._best, self._verifier.candidate(progress.best_candidate))
        hashes = self._start - self._query.first_position + progress.hashes_computed
        self._hashes = max(self._hashes, hashes)
        is_left = progress.HasField("next_position")
        self._reach(progress.next_position if is_left else self._query.keyspace.end)
        rate = progress.hashes_per_second
        return Progress(
            hashes=self._hashes,
            next_position=self.next_position,
            rate=rate if math.isfinite(rate) else 0.0,
            best=self._best,
            chance=self._query.chance.chance_by(self._hashes),
        )

    def _reach(self, position: int) -> None:
        self._is_told = True
        self._next = max(self._next, position)

    def _error(self, ended: RpcStatus) -> StoppedError:
        kind = ended.error_class
        if kind is UnavailableError and self.is_searched:
            kind = BudgetSpentError  # The last report was complete.
        return kind(
            ended.code,
            ended.text,
            ended.details,
            hashes=self._hashes,
            next_position=self.next_position,
            best=self._best,
        )

    def _is_worth_another(self, error: StoppedError, ended: RpcStatus) -> bool:
        if self._is_classic or self.is_searched or self._failures > self._policy.retries:
            return False
        if isinstance(error, TlsError):
            return False
        has_delay = error.retry_after is not None
        if not self._policy.resume:
            is_refusal = isinstance(error, BusyError | UnavailableError)
            return is_refusal and has_delay and self._next == self._query.first_position
        if error.details.reason == BUDGET_EXHAUSTED:
            return self._next > self._start  # The same request would end the same way.
        if isinstance(error, BusyError | TimeLimitError):
            return has_delay
        return isinstance(error, UnavailableError) or self._is_of_transport(ended)

    def _is_of_transport(self, ended: RpcStatus) -> bool:
        """Return whether something on the way ended the RPC, be it by a deadline of its own."""
        if ended.code is StatusCode.DEADLINE_EXCEEDED:
            return self._deadline - self._clock() > DEADLINE_SLACK
        return ended.is_of_transport

    def _delay(self, error: StoppedError, ended: RpcStatus) -> float:
        if error.details.reason == BUDGET_EXHAUSTED:
            return 0.0
        if ended.drains and self._policy.resume:
            # What the server asks for is about itself; the next RPC is for another one.
            return self._policy.delay(None, max(0, self._refusals - 1), self._draw())
        return self._policy.delay(error.retry_after, self._failures, self._draw())
