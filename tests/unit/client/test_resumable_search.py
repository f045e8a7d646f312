"""Properties of a search over several RPCs, without a server, a clock or a sleep."""

import math
from collections.abc import Iterator

import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from hashfinder_client.errors import (
    BudgetSpentError,
    BusyError,
    DeadlinePassedError,
    InvalidSearchError,
    StoppedError,
    TimeLimitError,
    UnavailableError,
    VerificationError,
)
from hashfinder_client.events import Match, Pause, Progress
from hashfinder_client.query import Query
from hashfinder_client.resumable_search import ResumableSearch
from hashfinder_client.retry import RetryPolicy
from hashfinder_client.status import RpcStatus
from hashfinder_proto.hash_name_pb2 import HashNameResponse
from hashfinder_proto.hash_name_pb2 import SearchProgress as Reported
from hashfinder_rules.keyspace import POSITIONS_END
from tests.unit.client.fake_server import (
    EXHAUSTED,
    LOST,
    TURNS,
    UNAVAILABLE,
    Server,
    Turn,
    brute_force,
    candidate,
    ended,
    result,
)


def run(search: ResumableSearch, server: Server) -> Iterator[Match | Progress | Pause]:
    """Run the client's side, without waiting."""
    while True:
        messages, status = server.serve(search.request())
        for message in messages:
            yield search.take(message)
        if search.found:
            return
        yield search.end(status)


@given(
    name=st.sampled_from(["ab", "abc", "x+"]),
    inferior=st.sampled_from([None, 0, 1]),
    first=st.integers(0, 1500),
    maximum=st.integers(1, 300),
    budget=st.integers(1, 200),
    turns=st.lists(TURNS, max_size=12),
)
def test_nothing_is_skipped_or_reported_twice(
    name: str, inferior: int | None, first: int, maximum: int, budget: int, turns: list[Turn]
) -> None:
    """Whatever ends the RPCs, results and end are those of an uninterrupted search."""
    query = Query(name, inferior_distance=inferior, start_position=first, maximum_hashes=maximum)
    expected, is_found = brute_force(query)
    search = ResumableSearch(query, RetryPolicy(retries=1000), progress_interval=1.0)
    server = Server(turns, budget)
    seen: list[Match] = []
    told = first
    starts = []
    spent = None

    try:
        for news in run(search, server):
            match news:
                case Match():
                    seen.append(news)
                    told = max(told, news.position + 1)
                case Progress():
                    assert news.next_position is not None
                    assert news.hashes >= told - first
                    told = max(told, news.next_position)
                case Pause():
                    assert news.error.next_position in {None, search.next_position}
                    told = max(told, news.error.next_position or 0)
                    starts.append(told)
                    assert news.delay >= (news.error.retry_after or 0)
    except BudgetSpentError as error:
        spent = error

    # Each RPC begins where the last report ended, and requests what remains.
    for start, request in zip([first, *starts], server.requests, strict=True):
        assert (start, first + maximum - start) == (request.start_position, request.maximum_hashes)
    assert expected == [each.position for each in seen]
    assert is_found == (search.found is not None)
    if spent is not None:
        assert not is_found
        assert (maximum, first + maximum) == (spent.hashes, spent.next_position)
        best = min((candidate(name, p).hamming_distance, p) for p in range(first, first + maximum))
        assert spent.best
        assert best[0] == spent.best.distance


SOME = Reported(hashes_computed=5, next_position=5)
NONE = Reported(next_position=0)
DELAYED = RetryPolicy(resume=False, retries=1)
ROWS = {
    # status: (with resume, without but with a retry); a delay, or the error
    "budget": (ended(EXHAUSTED, "HASH_BUDGET_EXHAUSTED", SOME), 0.0, BudgetSpentError),
    "budget without progress": (
        ended(EXHAUSTED, "HASH_BUDGET_EXHAUSTED"),
        BudgetSpentError,
        BudgetSpentError,
    ),
    "budget at the end of the keyspace": (
        ended(EXHAUSTED, "HASH_BUDGET_EXHAUSTED", Reported(hashes_computed=5)),
        BudgetSpentError,
        BudgetSpentError,
    ),
    "quota": (ended(EXHAUSTED, "CLIENT_QUOTA_EXHAUSTED", SOME, delay=2), 2.25, BusyError),
    "quota at the start": (
        ended(EXHAUSTED, "CLIENT_QUOTA_EXHAUSTED", NONE, delay=2),
        2.25,
        2.25,
    ),
    "too many": (ended(EXHAUSTED, "TOO_MANY_SEARCHES", delay=1), 1.125, 1.125),
    "overload": (ended(EXHAUSTED, "SERVER_OVERLOADED", delay=0), 0.0, 0.0),
    "negative delay": (ended(EXHAUSTED, "SERVER_OVERLOADED", delay=-3), 0.0, 0.0),
    "draining": (ended(UNAVAILABLE, "SERVER_DRAINING", SOME, delay=1), 0.1875, UnavailableError),
    "lost": (LOST, 0.375, UnavailableError),
    "full, without a delay": (RpcStatus(EXHAUSTED), BusyError, BusyError),
    "invalid": (
        ended(StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", delay=1),
        InvalidSearchError,
        InvalidSearchError,
    ),
    "fault": (ended(StatusCode.INTERNAL, "INTERNAL_ERROR", delay=1), StoppedError, StoppedError),
    "deadline of a proxy": (
        RpcStatus(StatusCode.DEADLINE_EXCEEDED),
        0.375,
        DeadlinePassedError,
    ),
    "cancelled by the transport": (RpcStatus(StatusCode.CANCELLED), 0.375, StoppedError),
    "fault of the transport": (RpcStatus(StatusCode.INTERNAL), 0.375, StoppedError),
    "unknown to the transport": (RpcStatus(StatusCode.UNKNOWN), 0.375, StoppedError),
    "time limit": (
        ended(EXHAUSTED, "TIME_LIMIT_REACHED", SOME, delay=0),
        0.0,
        TimeLimitError,
    ),
    "nothing found": (RpcStatus(StatusCode.OK), StoppedError, StoppedError),
}


@pytest.mark.parametrize(("status", "resumed", "retried"), ROWS.values(), ids=ROWS)
def test_what_follows_each_end(
    status: RpcStatus, resumed: float | type[StoppedError], retried: float | type[StoppedError]
) -> None:
    """Each end has a delay or an error; a random draw of a half gives the middle of the jitter."""
    for policy, expected in [(RetryPolicy(), resumed), (DELAYED, retried)]:
        search = ResumableSearch(Query("doctor"), policy, draw=lambda: 0.5)
        search.request()
        if isinstance(expected, float):
            assert expected == search.end(status).delay
            continue
        with pytest.raises(StoppedError) as stopped:
            search.end(status)
        assert expected is type(stopped.value)


def test_drain_outlasts_the_retries() -> None:
    """Refusals by a draining server do not count as retries; the delay is the client's own."""
    policy = RetryPolicy(retries=2, first_delay=1.0, longest_delay=6.0)
    search = ResumableSearch(Query("doctor"), policy, draw=lambda: 1.0)
    refused = ended(UNAVAILABLE, "SERVER_DRAINING", delay=3600)

    def delay(status: RpcStatus) -> float:
        search.request()
        return search.end(status).delay

    assert [1.0, 2.0, 4.0] + [6.0] * 97 == [delay(refused) for _ in range(100)]
    assert [2.0, 4.0] == [delay(LOST) for _ in range(2)]
    assert 1.0 == delay(refused)
    with pytest.raises(UnavailableError):
        delay(LOST)
    with pytest.raises(UnavailableError):
        ResumableSearch(Query("doctor"), RetryPolicy(resume=False, retries=0)).end(refused)


def test_lost_connections_in_a_row() -> None:
    """The delay doubles up to its limit; a report resets it; in the end the search fails."""
    policy = RetryPolicy(retries=4, first_delay=1.0, longest_delay=6.0)
    search = ResumableSearch(Query("doctor"), policy, draw=lambda: 1.0)

    def lose() -> float:
        search.request()
        return search.end(LOST).delay

    assert [2.0, 4.0, 6.0] == [lose() for _ in range(3)]
    search.request()
    search.take(HashNameResponse(progress=SOME))
    assert 1.0 == search.end(LOST).delay
    assert [2.0, 4.0, 6.0, 6.0] == [lose() for _ in range(4)]
    with pytest.raises(UnavailableError) as stopped:
        lose()
    assert (5, 5) == (stopped.value.hashes, stopped.value.next_position)


@given(draw=st.floats(0, 1), failures=st.integers(0, 10_000), delay=st.floats(0, 1e9))
def test_jitter(draw: float, failures: int, delay: float) -> None:
    """The server's delay is never shortened; the client's is at least half of its nominal value."""
    policy = RetryPolicy()

    assert delay <= policy.delay(delay, failures, draw) <= 1.25 * delay
    own = policy.delay(None, failures, draw)
    assert policy.first_delay / 2 <= own <= policy.longest_delay


def test_deadline() -> None:
    """All RPCs share one deadline; a pause that would exceed it is not begun."""
    now = 100.0
    search = ResumableSearch(
        Query("x"), RetryPolicy(), timeout=10, clock=lambda: now, draw=lambda: 0.0
    )
    busy = ended(EXHAUSTED, "SERVER_OVERLOADED", delay=3)

    assert 10.0 == search.remaining()
    now = 106.0
    assert (3.0, 4.0) == (search.end(busy).delay, search.remaining())
    now = 107.0
    with pytest.raises(BusyError) as stopped:
        search.end(busy)
    assert 3.0 == stopped.value.retry_after
    now = 109.5
    with pytest.raises(DeadlinePassedError):
        search.end(RpcStatus(StatusCode.DEADLINE_EXCEEDED))
    now = 111.0
    assert 0.0 == search.remaining()
    assert ResumableSearch(Query("x"), RetryPolicy(), timeout=math.inf).remaining() is None


def test_connection_lost_after_the_last_position() -> None:
    """If the last report covers the range, no RPC follows: the budget is spent."""
    for maximum, next_position in [(5, 5), (None, None)]:
        search = ResumableSearch(Query("doctor", maximum_hashes=maximum), RetryPolicy())
        search.request()
        told = Reported(hashes_computed=5, next_position=next_position)
        search.take(HashNameResponse(progress=told))

        with pytest.raises(BudgetSpentError) as stopped:
            search.end(LOST)
        assert next_position == stopped.value.next_position


def test_patience() -> None:
    """It has a bound with and without reports. Only a server that is asked for some sends some."""
    for interval, patience in [(None, 20.0), (0.5, 20.0), (60.0, 180.0)]:
        search = ResumableSearch(
            Query("ab", inferior_distance=2), RetryPolicy(), progress_interval=interval
        )
        assert not search.knows_reports
        search.take(result("ab", 7))
        assert (patience, interval is not None) == (search.patience, search.knows_reports)


def test_server_without_positions() -> None:
    """A server of the classic contract cannot resume at a position; results are not repeated."""
    response = result("ab", 0)
    response.ClearField("position")
    search = ResumableSearch(Query("ab", inferior_distance=2), RetryPolicy())
    search.take(response)

    with pytest.raises(UnavailableError) as stopped:
        search.end(LOST)
    assert stopped.value.next_position is None


def test_result_sent_twice() -> None:
    """A server that begins before the requested position sends a wrong result."""
    search = ResumableSearch(Query("ab", inferior_distance=2), RetryPolicy())
    search.take(result("ab", 7))
    search.end(LOST)
    assert 8 == search.request().start_position

    with pytest.raises(VerificationError, match="before 8"):
        search.take(result("ab", 7))


def test_last_position() -> None:
    """A range at the end of the keyspace is truncated."""
    query = Query("doctor", start_position=POSITIONS_END - 10, maximum_hashes=100)
    search = ResumableSearch(query, RetryPolicy())
    search.request()
    search.take(
        HashNameResponse(progress=Reported(hashes_computed=4, next_position=POSITIONS_END - 6))
    )
    search.end(LOST)

    request = search.request()

    assert (POSITIONS_END - 6, 6) == (request.start_position, request.maximum_hashes)
