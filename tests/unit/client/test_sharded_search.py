"""Properties of one search in several ranges at once, without a server, a clock or a sleep."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from hashfinder_client import sharded_search as module
from hashfinder_client.checkpoint import Checkpoint, RangeCheckpoint
from hashfinder_client.division import Division
from hashfinder_client.errors import (
    BudgetSpentError,
    BusyError,
    InvalidSearchError,
    VerificationError,
)
from hashfinder_client.events import Match, Pause, Progress, SearchEvent
from hashfinder_client.query import Query
from hashfinder_client.resumable_search import ResumableSearch
from hashfinder_client.retry import RetryPolicy
from hashfinder_client.sharded_search import LEAD, RangeSearch, ShardedSearch
from hashfinder_client.status import RpcStatus
from hashfinder_proto.hash_name_pb2 import HashNameResponse
from hashfinder_proto.hash_name_pb2 import SearchProgress as Reported
from hashfinder_rules.keyspace import POSITIONS_END
from tests.unit.client.fake_server import (
    EXHAUSTED,
    LOST,
    TURNS,
    Server,
    Turn,
    brute_force,
    candidate,
    ended,
    result,
)

QUERIES = st.builds(
    lambda name, inferior, first, maximum: Query(
        name, inferior_distance=inferior, start_position=first, maximum_hashes=maximum
    ),
    name=st.sampled_from(["ab", "abc", "x+"]),
    inferior=st.sampled_from([None, 0, 1]),
    first=st.integers(0, 1500),
    maximum=st.integers(1, 150),
)
PATIENT = RetryPolicy(retries=1000)


def begin(query: Query, division: Division | None, clock: Callable[[], float]) -> ShardedSearch:
    """Begin a search that retries without limit."""

    def begin_range(part: Query, _: float | None) -> ResumableSearch:
        return ResumableSearch(part, PATIENT, progress_interval=1.0, clock=clock)

    return ShardedSearch(query, division, begin_range, clock=clock)


class Client:
    """Runs the RPCs of one search; `pick` chooses the RPC with the next event."""

    def __init__(
        self,
        query: Query,
        division: Division | None,
        server: Server,
        pick: Callable[[list[int]], int],
    ) -> None:
        self.now = 0.0
        self.search = begin(query, division, lambda: self.now)
        self.server = server
        self.calls: dict[int, deque[HashNameResponse | RpcStatus]] = {}
        self.cancelled: set[int] = set()
        self.reported: dict[int, int] = {}
        """The position reported as searched, by the start of the range."""
        self.most_at_once = 0
        self.hit = POSITIONS_END
        self._pick = pick
        self._ranges: dict[int, RangeSearch] = {}

    def run(self) -> Iterator[list[SearchEvent]]:
        """Run the client's side, without waiting, until the ideal result is there."""
        while self.search.found is None:
            for range_ in self.search.begin():
                self._start(range_)
            self.now += 0.1 if self.calls else 1.0
            if self.calls:
                yield self._step(self._pick(sorted(self.calls)))
            for number in self.search.surplus():
                assert number in self.calls
                self.cancelled.add(number)
                # messages received before the cancel are still delivered
                kept = list(self.calls[number])[: self._pick([0, 1, 2])]
                messages = [each for each in kept if not isinstance(each, RpcStatus)]
                self.calls[number] = deque([*messages, RpcStatus(StatusCode.CANCELLED)])
            for number in set(self.calls) - self.cancelled:
                range_ = self._ranges[number]
                # the RPC of a match ends by itself
                assert range_.part.first_position <= self.hit or range_.search.found

    def _start(self, range_: RangeSearch) -> None:
        assert range_.number not in self.calls
        assert range_.part.first_position <= self.hit
        self.cancelled.discard(range_.number)
        request = range_.search.request()
        first = range_.part.first_position
        # nothing that was reported is searched twice
        assert self.reported.setdefault(first, first) == request.start_position
        assert range_.part.limit == request.start_position + request.maximum_hashes
        messages, status = self.server.serve(request)
        self._ranges[range_.number] = range_
        self.calls[range_.number] = deque([*messages, status])
        self.most_at_once = max(self.most_at_once, len(set(self.calls) - self.cancelled))

    def _step(self, number: int) -> list[SearchEvent]:
        event = self.calls[number].popleft()
        range_ = self._ranges[number]
        if isinstance(event, RpcStatus):
            del self.calls[number]
            try:
                return self.search.end(number, event)
            finally:
                self._reach(range_)
        if (
            number not in self.cancelled
            and event.position
            and event.hamming_distance <= range_.search._query.ideal_distance  # noqa: SLF001
        ):
            self.hit = min(self.hit, event.position)
        events = self.search.take(number, event)
        self._reach(range_)
        return events

    def _reach(self, range_: RangeSearch) -> None:
        first = range_.part.first_position
        self.reported[first] = max(self.reported[first], range_.search.reached)


@given(
    query=QUERIES,
    division=st.builds(Division, range_size=st.integers(5, 60), width=st.integers(1, 5)),
    budget=st.integers(1, 200),
    turns=st.lists(TURNS, max_size=12),
    most_held=st.sampled_from([4, 100_000]),
    data=st.data(),
)
def test_results_are_those_of_one_server(
    query: Query,
    division: Division,
    budget: int,
    turns: list[Turn],
    most_held: int,
    data: st.DataObject,
) -> None:
    """However the RPCs end, and in any order, the results are those of an undivided search.

    At any moment, exactly the results below the position to resume from have been delivered.
    """
    expected, is_found = brute_force(query)
    client = Client(
        query, division, Server(turns, budget), lambda these: data.draw(st.sampled_from(these))
    )
    search = client.search
    seen: list[int] = []
    hashes = 0
    spent = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_HELD", most_held)
        try:
            for events in client.run():
                results = [each.position for each in events if isinstance(each, Match)]
                assert len(results) <= most_held
                seen += results
                if search.found is None:
                    position = search.next_position
                    position = POSITIONS_END if position is None else position
                    assert [each for each in expected if each < position] == seen
                for each in events:
                    if isinstance(each, Progress):
                        assert hashes <= each.hashes <= query.limit - query.first_position
                        assert search.next_position == each.next_position
                        hashes = each.hashes
        except BudgetSpentError as error:
            spent = error

    assert expected == seen
    assert is_found == (search.found is not None)
    assert client.most_at_once <= division.width
    if spent:
        size = query.limit - query.first_position
        assert (size, query.limit) == (spent.hashes, spent.next_position)
        keys = [
            (candidate(query.name, p).hamming_distance, p)
            for p in range(query.first_position, query.limit)
        ]
        assert spent.best
        assert min(keys) == (spent.best.distance, spent.best.position)


def test_results_behind_a_slow_range_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many results that wait for the first range stop the other ranges; none is lost."""
    monkeypatch.setattr(module, "MOST_HELD", 4)
    query = Query("a-", inferior_distance=1, maximum_hashes=80)  # every other candidate, no match
    client = Client(query, Division(range_size=20, width=4), Server([], 1000), max)
    seen: list[int] = []
    held = []

    def run() -> None:
        for events in client.run():
            seen.extend(each.position for each in events if isinstance(each, Match))
            held.append(client.search._held)  # noqa: SLF001

    with pytest.raises(BudgetSpentError):
        run()

    expected, _ = brute_force(query)
    assert expected == seen
    assert 4 <= max(held) <= 4 + 3 * 2  # each of three stopped ranges had two more on the way


@given(
    query=QUERIES,
    size=st.integers(5, 60),
    count=st.integers(2, 5),
    turns=st.lists(TURNS, max_size=6),
    stop_after=st.integers(0, 30),
)
def test_shards_of_processes(
    query: Query, size: int, count: int, turns: list[Turn], stop_after: int
) -> None:
    """Each position belongs to one process; together they find what an undivided search does.

    A process that was stopped resumes from the position that it reported, with the same ranges.
    """
    expected, is_found = brute_force(query)
    found, ends = [], []
    searched: list[tuple[int, int]] = []
    for index in range(count):
        division = Division(range_size=size, index=index, count=count)
        first = Client(query, division, Server(turns, 1000), min)
        seen: list[int] = []
        begun: dict[int, int] = {}
        clients = [first]
        try:
            for step, events in enumerate(first.run()):
                seen += [each.position for each in events if isinstance(each, Match)]
                if step == stop_after and first.search.found is None:
                    begun = dict(first.reported)
                    start = first.search.next_position or 0
                    left = replace(query, start_position=start, maximum_hashes=query.limit - start)
                    clients.append(Client(left, division, Server([], 1000), min))
                    break
            if len(clients) == 2:
                for _ in clients[1].run():
                    pass
        except BudgetSpentError as error:
            ends.append(error.next_position)
        reported = begun | clients[-1].reported
        starts = range(query.first_position + index * size, query.limit, count * size)
        assert set(reported) <= set(starts)
        if (result := clients[-1].search.found) is None:
            assert [min(s + size, query.limit) for s in starts] == [reported[s] for s in starts]
        else:
            found.append(result.position)
        searched += reported.items()

    assert {query.limit} >= set(ends)
    assert len(dict(searched)) == len(searched)
    assert is_found == bool(found)
    if found:
        assert expected[-1] == min(found)


@given(
    query=QUERIES,
    size=st.none() | st.integers(5, 60),
    budget=st.integers(1, 200),
    turns=st.lists(TURNS, max_size=6),
    stops=st.lists(st.integers(0, 15), max_size=4),
    data=st.data(),
)
def test_resumes_from_a_checkpoint(
    query: Query,
    size: int | None,
    budget: int,
    turns: list[Turn],
    stops: list[int],
    data: st.DataObject,
) -> None:
    """Whenever a process ends, and whatever the width of the next, nothing is lost or repeated."""
    expected, is_found = brute_force(query)
    seen: list[int] = []
    spent = search = checkpoint = None
    for stop in [*stops, POSITIONS_END]:
        width = data.draw(st.integers(1, 4))
        client = Client(
            query,
            Division(range_size=size, width=width) if size else None,
            Server(turns, budget),
            lambda these: data.draw(st.sampled_from(these)),
        )
        search = client.search
        if checkpoint:
            seen += [each.position for each in search.go_on(checkpoint) if isinstance(each, Match)]
            client.reported = {
                each.part.first_position: each.search.reached
                for each in search._ranges.values()  # noqa: SLF001
            }
        try:
            for step, events in enumerate(client.run()):
                seen += [each.position for each in events if isinstance(each, Match)]
                if step == stop:
                    break
        except BudgetSpentError as error:
            spent = error
        if spent or search.found:
            break
        checkpoint = search.checkpoint()

    assert expected == seen
    assert search
    assert is_found == (search.found is not None)
    if spent:
        assert query.limit - query.first_position == spent.hashes
        assert spent.best
        best = min(
            (candidate(query.name, p).hamming_distance, p)
            for p in range(query.first_position, query.limit)
        )
        assert best == (spent.best.distance, spent.best.position)


def test_undelivered_match_is_found_again_from_a_checkpoint() -> None:
    """It is searched again from its own position; earlier undelivered results are kept."""
    (*inferior, hit), _ = brute_force(Query("abc", inferior_distance=1, maximum_hashes=100_000))
    last = inferior[-1]
    division = Division(range_size=last, width=2)  # both are in range number 1
    query = Query("abc", inferior_distance=1)
    now = 0.0
    search = begin(query, division, lambda: now)
    search.begin()
    now = LEAD
    search.begin()
    assert [] == search.take(1, result("abc", last))
    assert [] == search.take(1, result("abc", hit))
    assert [] == search.end(1, RpcStatus(StatusCode.OK))

    checkpoint = search.checkpoint()
    assert (RangeCheckpoint(0, 0), RangeCheckpoint(1, hit, (last,))) == checkpoint.ranges
    again = begin(query, division, lambda: now)
    assert [] == again.go_on(checkpoint)
    again.begin()
    now += LEAD
    again.begin()
    assert [] == again.take(1, result("abc", hit))
    reported = Reported(hashes_computed=last, next_position=last)
    done = ended(EXHAUSTED, "HASH_BUDGET_EXHAUSTED", reported)
    events = again.end(0, done)
    assert [last, hit] == [event.position for event in events if isinstance(event, Match)]
    assert again.found is events[-1]


def test_checkpoint_of_another_division_is_refused() -> None:
    """It has a range that this search does not have, or a position outside its range."""
    division = Division(range_size=10, width=2)
    for kept in (RangeCheckpoint(9, 95), RangeCheckpoint(1, 25), RangeCheckpoint(1, 9)):
        search = begin(Query("ab", maximum_hashes=50), division, lambda: 0.0)
        with pytest.raises(ValueError, match=r"range"):
            search.go_on(Checkpoint((kept,), 10))


def test_rate_is_that_of_this_process() -> None:
    """Hashes of earlier processes count for the chance, but not for the rate."""
    now = 0.0
    search = begin(Query("doctor"), Division(range_size=100), lambda: now)
    search.go_on(Checkpoint((RangeCheckpoint(3, 340),), 4, hashes=300))
    (range_,) = search.begin()
    range_.search.request()
    now = 2.0
    reported = Reported(hashes_computed=20, next_position=360)
    (event,) = search.take(3, HashNameResponse(progress=reported))
    assert isinstance(event, Progress)
    assert (360, 360, 10.0) == (event.hashes, event.next_position, event.rate)


def test_undivided() -> None:
    """An undivided search is one RPC with the unchanged request."""
    search = begin(Query("doctor"), None, lambda: 0.0)
    (range_,) = search.begin()

    assert {"desired_name"} == {field.name for field, _ in range_.search.request().ListFields()} - {
        "progress_interval"
    }
    assert search.next_position is None
    reported = Reported(hashes_computed=5, next_position=5, hashes_per_second=3.0)
    (event,) = search.take(0, HashNameResponse(progress=reported))
    assert isinstance(event, Progress)
    assert (5, 5, 3.0) == (event.hashes, event.next_position, event.rate)
    assert [] == search.begin()


def test_first_rpc_goes_ahead() -> None:
    """The first RPC connects the channel before the others choose among its connections."""
    now = 0.0
    search = begin(Query("doctor"), Division(range_size=10, width=3), lambda: now)

    assert [0] == [range_.number for range_ in search.begin()]
    assert [] == search.begin()
    now = LEAD
    assert [1, 2] == [range_.number for range_ in search.begin()]


def test_match_waits_for_lower_ranges() -> None:
    """A match cancels higher ranges at once, and is delivered when all lower ones are searched."""
    hits, _ = brute_force(Query("abc", maximum_hashes=100_000))
    (hit,) = hits
    size = hit // 2  # the match is in range number 2
    now = 0.0
    search = begin(Query("abc"), Division(range_size=size, width=4), lambda: now)
    search.begin()
    now = LEAD
    search.begin()
    done = ended(
        EXHAUSTED, "HASH_BUDGET_EXHAUSTED", Reported(hashes_computed=size, next_position=2 * size)
    )

    assert [] == search.take(2, result("abc", hit))
    assert [3] == search.surplus()
    assert [] == search.surplus()
    assert [] == search.end(3, RpcStatus(StatusCode.CANCELLED))
    assert [] == search.end(2, RpcStatus(StatusCode.OK))
    assert [] == search.end(1, done)
    assert [] == search.begin()
    assert (0, None) == (search.next_position, search.found)
    reported = Reported(hashes_computed=size, next_position=size)
    (event,) = search.end(0, ended(EXHAUSTED, "HASH_BUDGET_EXHAUSTED", reported))
    assert search.found is event
    assert isinstance(event, Match)
    assert hit == event.position


def test_failed_range_resumes() -> None:
    """A lost RPC starts again after its delay, from the last report, while the others continue."""
    now = 0.0
    search = begin(Query("doctor"), Division(range_size=100, width=2), lambda: now)
    search.begin()
    now = LEAD
    search.begin()
    reported = Reported(hashes_computed=40, next_position=140)
    assert [] == search.take(1, HashNameResponse(progress=reported))

    (pause,) = search.end(1, LOST)

    assert isinstance(pause, Pause)
    assert (40, 140) == (pause.error.hashes, pause.error.next_position)
    assert [] == search.begin()
    now += pause.delay
    (range_,) = search.begin()
    request = range_.search.request()
    assert (1, 140, 60) == (range_.number, request.start_position, request.maximum_hashes)
    reported = Reported(hashes_computed=10, next_position=10)
    (event,) = search.take(0, HashNameResponse(progress=reported))
    assert isinstance(event, Progress)
    assert (50, 10, 50 / now) == (event.hashes, event.next_position, event.rate)


def test_error_covers_the_whole_search() -> None:
    """The final error of a range ends the search, and says where all of it resumes."""
    now = 0.0
    search = begin(Query("doctor"), Division(range_size=100, width=2), lambda: now)
    search.begin()
    now = LEAD
    search.begin()
    search.take(0, HashNameResponse(progress=Reported(hashes_computed=10, next_position=10)))
    search.take(1, HashNameResponse(progress=Reported(hashes_computed=40, next_position=140)))

    with pytest.raises(InvalidSearchError) as stopped:
        search.end(1, RpcStatus(StatusCode.INVALID_ARGUMENT))
    assert (50, 10) == (stopped.value.hashes, stopped.value.next_position)


def test_no_range_within_the_budget() -> None:
    """A process whose first range begins beyond the budget has nothing to do."""
    query = Query("doctor", start_position=7, maximum_hashes=10)
    search = begin(query, Division(range_size=5, index=2, count=3), lambda: 0.0)

    with pytest.raises(BudgetSpentError) as stopped:
        search.begin()
    assert (0, 17) == (stopped.value.hashes, stopped.value.next_position)


def test_end_of_the_keyspace() -> None:
    """The last range ends with the last position, and then nothing is left to resume."""
    query = Query("doctor", start_position=POSITIONS_END - 5)
    search = begin(query, Division(range_size=3, width=1), lambda: 0.0)

    (range_,) = search.begin()
    assert (POSITIONS_END - 5, 3) == (range_.part.first_position, range_.part.maximum_hashes)
    reported = Reported(hashes_computed=3, next_position=POSITIONS_END - 2)
    search.end(0, ended(EXHAUSTED, "HASH_BUDGET_EXHAUSTED", reported))
    (range_,) = search.begin()
    assert 2 == range_.part.maximum_hashes
    search.end(1, ended(EXHAUSTED, "HASH_BUDGET_EXHAUSTED", Reported(hashes_computed=2)))
    with pytest.raises(BudgetSpentError) as stopped:
        search.begin()
    assert (5, None) == (stopped.value.hashes, stopped.value.next_position)


def test_server_without_positions() -> None:
    """A server of the classic contract would search the same positions for every range."""
    search = begin(Query("doctor"), Division(range_size=3), lambda: 0.0)
    search.begin()
    message = result("doctor", 3)
    message.ClearField("position")

    with pytest.raises(VerificationError, match="cannot search a range"):
        search.take(0, message)


def test_shared_deadline() -> None:
    """Ranges that begin later get the remaining time, and none starts if there is none."""
    now = 0.0
    given_times = []

    def begin_range(part: Query, timeout: float | None) -> ResumableSearch:
        given_times.append(timeout)
        return ResumableSearch(part, PATIENT, clock=lambda: now)

    search = ShardedSearch(
        Query("x", maximum_hashes=2),
        Division(range_size=1),
        begin_range,
        timeout=10,
        clock=lambda: now,
    )
    search.begin()
    now = 11.0
    search.end(0, ended(EXHAUSTED, "HASH_BUDGET_EXHAUSTED", Reported(next_position=1)))
    search.begin()

    assert [10, 0] == given_times


@pytest.mark.parametrize("reason", ["TOO_MANY_SEARCHES", "SERVER_OVERLOADED"])
def test_more_ranges_than_a_client_may_search_at_once(reason: str) -> None:
    """Ranges that the server refuses wait while others run; with none running, it is an error."""
    now = 0.0

    def begin_range(part: Query, _: float | None) -> ResumableSearch:
        return ResumableSearch(part, RetryPolicy(retries=0), clock=lambda: now)

    division = Division(range_size=10, width=3)
    search = ShardedSearch(Query("doctor"), division, begin_range, clock=lambda: now)
    search.begin()
    now = LEAD
    assert [1, 2] == [range_.number for range_ in search.begin()]
    refused = ended(EXHAUSTED, reason, delay=0.5)

    for _ in range(20):
        assert [] == search.end(2, refused)
        assert [] == search.begin()
        now += 0.5
        assert [2] == [range_.number for range_ in search.begin()]
    assert [] == search.end(1, refused)
    assert [] == search.end(2, refused)
    now += 0.5
    assert [1] == [range_.number for range_ in search.begin()]
    search.end(0, ended(EXHAUSTED, "HASH_BUDGET_EXHAUSTED", Reported(next_position=10)))
    assert [2, 3] == [range_.number for range_ in search.begin()]
    assert [] == search.end(3, refused)
    assert [] == search.end(2, refused)
    with pytest.raises(BusyError):
        search.end(1, refused)
