"""One search over several RPCs at once, as a state machine: no I/O, no thread, no sleep.

The positions are cut into ranges, and each range under way has a `ResumableSearch` of its own,
which resumes after any failure of its RPC. Here they become one search again: the matches of a
range are held back until every range before it is searched, so that all come in order of position,
and the first ideal match is the one that a single server would have found. Ranges beyond an ideal
match are given up at once.

The caller does the I/O: it asks which RPCs to `begin`, passes each message (`take`) and status
(`end`), and cancels what is `surplus`. A search that is not cut is one range: all of it.

One state machine, and so one module, at over 250 lines.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from grpc import StatusCode

from hashfinder_client.checkpoint import Checkpoint, RangeCheckpoint
from hashfinder_client.division import Division
from hashfinder_client.errors import (
    BUDGET_EXHAUSTED,
    SERVER_OVERLOADED,
    TOO_MANY_SEARCHES,
    BudgetSpentError,
    Details,
    StoppedError,
    VerificationError,
)
from hashfinder_client.events import Match, Progress, SearchEvent, better
from hashfinder_client.query import Query
from hashfinder_client.resumable_search import ResumableSearch
from hashfinder_client.status import RpcStatus
from hashfinder_proto.hash_name_pb2 import HashNameResponse
from hashfinder_rules.candidate import Candidate

MOST_HELD = 100_000
"""Results that are held back, of all ranges together: about 50 MB. With that many, the RPCs of all
ranges but the first are given up, and begin again, where they were, when half are handed on."""
LEAD = 0.25
"""Seconds by which the first RPC precedes the others. It makes the channel connect, and those that
come before all its connections are there would crowd on the first of them."""

REFUSED_DELAY = 1.0
"""Seconds after which a range that the server refuses asks again, where the server names none."""


_FULL = {SERVER_OVERLOADED, TOO_MANY_SEARCHES}


class _State(Enum):
    WAITING = auto()
    """For its RPC to begin."""
    RUNNING = auto()
    PARKING = auto()
    """Its RPC is being cancelled, and begins again when there is room for its results."""
    DONE = auto()
    """Searched, or its ideal result is known."""


@dataclass(eq=False, slots=True)
class RangeSearch:
    """A range whose results are not all delivered yet."""

    number: int
    """The number of its RPC: it has one at a time."""
    part: Query
    search: ResumableSearch
    begins_at: float
    state: _State = _State.WAITING
    held: list[Match] = field(default_factory=list)
    hashes: int = 0
    is_refused: bool = False
    """Whether it waits for others, as more than the server lets one client search at once."""


class ShardedSearch:
    """One search. Not thread-safe."""

    def __init__(
        self,
        query: Query,
        division: Division | None,
        begin_range: Callable[[Query, float | None], ResumableSearch],
        *,
        timeout: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin.

        Args:
            query: what to search for.
            division: how to cut it; None for one range, which may be of a server without positions.
            begin_range: begins the search of a range, within so many seconds.
            timeout: seconds for all of it; None for no bound.
            clock: returns the time in seconds.
        """
        self.found: Match | None = None
        """The ideal result, which ends the search, once all before it is searched."""
        self.query = query
        """What is searched for."""
        self._division = division
        self._begin_range = begin_range
        self._clock = clock
        self._began = clock()
        self._deadline = None if timeout is None else self._began + timeout
        self._ranges: dict[int, RangeSearch] = {}
        """By number, which is the order of the ranges."""
        self._turn = 0
        """Of the range to begin next."""
        self._has_hit = False
        self._surplus: list[int] = []
        self._held = 0
        self._is_full = False
        self._hashes = 0
        """Of ranges that are no longer under way."""
        self._best: Match | None = None
        self._spent: BudgetSpentError | None = None
        self._has_begun = False
        self._hashes_before = 0
        """Computed by the search that this one continues."""

    @property
    def next_position(self) -> int | None:
        """Where to resume: all before it is searched and returned. None where nothing is left.

        Also None for an undivided search that has not reported its position yet.
        """
        first = self._first()
        if first and not self._division:
            return first.search.next_position
        part = first.part if first else self._part(self._turn)
        position = self.query.limit
        if part and self._division:
            reached = first.search.reached if first else part.first_position
            position = self._division.resume_position(part, reached)
        return position if position < self.query.keyspace.end else None

    def checkpoint(self) -> Checkpoint:
        """Return how far it has come, once what it has returned is handled.

        A range that has its ideal result is searched again from there: that is one hash.
        """
        ranges = []
        for range_ in self._ranges.values():
            found = range_.search.found
            held = tuple(match.position for match in range_.held if match is not found)
            reached = found.position if found else range_.search.reached
            ranges.append(RangeCheckpoint(range_.number, reached, held))
        # After an ideal result, those beyond were given up.
        next_number = ranges[-1].number + 1 if ranges else self._turn
        best = None if self._best is None else self._best.position
        return Checkpoint(tuple(ranges), next_number, self._hashes, best)

    def go_on(self, checkpoint: Checkpoint) -> list[SearchEvent]:
        """Continue another search for the same, cut in the same way. Before anything is begun.

        Returns:
            The results that it held back for ranges that turned out to be searched.

        Raises:
            ValueError: the checkpoint is of another search.
        """
        self._turn = checkpoint.next_number
        self._hashes = checkpoint.hashes
        if checkpoint.best is not None:
            self._best = Candidate.at(checkpoint.best, self.query.rules)
        for kept in checkpoint.ranges:
            if (part := self._part(kept.number)) is None:
                message = f"there is no range {kept.number}"
                raise ValueError(message)
            range_ = self._add(kept.number, part)
            range_.search.resume_at(kept.reached)
            range_.hashes = kept.reached - part.first_position
            range_.held = [Candidate.at(each, self.query.rules) for each in kept.held]
            self._held += len(range_.held)
            if range_.search.is_searched:
                range_.state = _State.DONE
        self._hashes_before = self._all_hashes()
        return self._merge()

    def begin(self) -> list[RangeSearch]:
        """Return the ranges whose RPC is to begin now.

        Raises:
            BudgetSpentError: everything is searched.
        """
        self._open()
        self._has_begun = True
        if not self._ranges:
            raise self._whole(self._spent or self._nothing_to_search())
        now = self._clock()
        first = self._first()
        due = [
            range_
            for range_ in self._ranges.values()
            if range_.state is _State.WAITING
            and range_.begins_at <= now
            and (range_ is first or not self._is_full)
        ]
        for range_ in due:
            range_.state = _State.RUNNING
            range_.is_refused = False
        return due

    def accept(self, number: int, event: HashNameResponse | RpcStatus) -> list[SearchEvent]:
        """Return what a message (`take`) or status (`end`) of the RPC of range `number` means."""
        return self.end(number, event) if isinstance(event, RpcStatus) else self.take(number, event)

    def take(self, number: int, message: HashNameResponse) -> list[SearchEvent]:
        """Return what a message of the RPC of range `number` means for the whole.

        Raises:
            VerificationError: it is not true.
        """
        range_ = self._ranges.get(number)
        if range_ is None or range_.state is not _State.RUNNING:
            return []
        if self._division and not (message.HasField("position") or message.HasField("progress")):
            text = "it has no position: such a server cannot search a range"
            raise VerificationError(text)
        event = range_.search.take(message)
        if isinstance(event, Progress):
            range_.hashes = event.hashes
            self._best = better(self._best, event.best)
            return [self._progress(event)] if range_ is next(self._running()) else []
        self._best = better(self._best, event)
        range_.held.append(event)
        self._held += 1
        if range_.search.found:
            range_.state = _State.DONE
            self._has_hit = True
            self._give_up_beyond(number)
        return self._merge()

    def end(self, number: int, ended: RpcStatus) -> list[SearchEvent]:
        """Return what the end of the RPC of range `number` means for the whole.

        Raises:
            StoppedError: the whole has ended without its ideal result.
            VerificationError: the status contains something that is not true.
        """
        range_ = self._ranges.get(number)
        if range_ is None or range_.state is _State.DONE:
            return []
        was_parking = range_.state is _State.PARKING
        range_.state = _State.WAITING
        if was_parking:
            return []
        details = ended.details
        if details.reason in _FULL and next(self._running(), None):
            self._refuse(range_, details.retry_after or REFUSED_DELAY)
            return []
        self._admit()
        try:
            pause = range_.search.end(ended)
        except StoppedError as error:
            self._note(range_, error)
            if not self._is_done(range_, error):
                raise self._whole(error) from None
            range_.state = _State.DONE
            return self._merge()
        self._note(range_, pause.error)
        range_.begins_at = self._clock() + pause.delay
        return [pause]

    def surplus(self) -> list[int]:
        """Return the ranges whose RPC is to be cancelled now, each once; its end is still taken."""
        surplus, self._surplus = self._surplus, []
        return surplus

    def _first(self) -> RangeSearch | None:
        return next(iter(self._ranges.values()), None)

    def _running(self) -> Iterator[RangeSearch]:
        return (range_ for range_ in self._ranges.values() if range_.state is _State.RUNNING)

    def _part(self, turn: int) -> Query | None:
        if self._division:
            return self._division.part(self.query, turn)
        return self.query if turn == 0 else None

    def _open(self) -> None:
        """Take on ranges until as many are under way as may be."""
        width = self._division.width if self._division else 1
        under_way = sum(range_.state is not _State.DONE for range_ in self._ranges.values())
        while under_way < width and not self._has_hit and not self._is_full:
            part = self._part(self._turn)
            if part is None:
                return
            self._add(self._turn, part)
            self._turn += 1
            under_way += 1

    def _add(self, number: int, part: Query) -> RangeSearch:
        now = self._clock()
        left = None if self._deadline is None else max(0.0, self._deadline - now)
        begins_at = now + LEAD if self._ranges and not self._has_begun else now
        search = self._begin_range(part, left)
        self._ranges[number] = RangeSearch(number, part, search, begins_at)
        return self._ranges[number]

    def _is_done(self, range_: RangeSearch, error: StoppedError) -> bool:
        if isinstance(error, BudgetSpentError):
            self._spent = error
            return range_.search.is_searched
        # The last report was complete; of an undivided search, its end counts as well.
        return self._division is not None and range_.search.is_searched

    def _refused(self) -> list[RangeSearch]:
        return [range_ for range_ in self._ranges.values() if range_.is_refused]

    def _refuse(self, range_: RangeSearch, delay: float) -> None:
        """Let `range_` wait: as many as the server lets one client have are under way.

        All that wait together ask once in `delay` seconds.
        """
        range_.is_refused = True
        range_.begins_at = self._clock() + delay * len(self._refused())

    def _admit(self) -> None:
        """Let the first range that waits ask now: another has ended."""
        for range_ in self._refused()[:1]:
            range_.begins_at = self._clock()

    def _give_up_beyond(self, number: int) -> None:
        for range_ in [range_ for range_ in self._ranges.values() if range_.number > number]:
            if range_.state is _State.RUNNING:
                self._surplus.append(range_.number)
            self._retire(range_)

    def _merge(self) -> list[SearchEvent]:
        """Return the results that are held back for no range before them."""
        events: list[SearchEvent] = []
        while first := self._first():
            events += first.held
            self._held -= len(first.held)
            first.held.clear()
            self.found = first.search.found
            if self.found or first.state is not _State.DONE:
                break
            self._retire(first)
        self._bound()
        return events

    def _bound(self) -> None:
        if self._held >= MOST_HELD:
            self._is_full = True
            first = self._first()
            for range_ in [range_ for range_ in self._running() if range_ is not first]:
                range_.state = _State.PARKING
                self._surplus.append(range_.number)
        elif self._held <= MOST_HELD // 2:
            self._is_full = False

    def _retire(self, range_: RangeSearch) -> None:
        self._hashes += range_.hashes
        self._held -= len(range_.held)
        del self._ranges[range_.number]

    def _progress(self, part: Progress) -> Progress:
        """Return what the progress of the first range that is searched means for the whole."""
        if not self._division:
            return part
        hashes = self._all_hashes()
        seconds = self._clock() - self._began
        return Progress(
            hashes=hashes,
            next_position=self.next_position,
            rate=(hashes - self._hashes_before) / seconds if seconds > 0 else 0.0,
            best=self._best,
            chance=self.query.chance.chance_by(hashes),
        )

    def _all_hashes(self) -> int:
        return self._hashes + sum(range_.hashes for range_ in self._ranges.values())

    def _note(self, range_: RangeSearch, error: StoppedError) -> None:
        range_.hashes = error.hashes
        self._best = better(self._best, error.best)

    def _whole(self, error: StoppedError) -> StoppedError:
        """Return `error` with what it says of a range said of the whole."""
        error.hashes = self._all_hashes()
        error.next_position = self.next_position
        error.best = self._best
        return error

    def _nothing_to_search(self) -> BudgetSpentError:
        return BudgetSpentError(
            StatusCode.RESOURCE_EXHAUSTED,
            "no range begins within the budget",
            Details(reason=BUDGET_EXHAUSTED),
            hashes=0,
            next_position=None,
            best=None,
        )
