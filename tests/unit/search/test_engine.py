"""One search against a sequential model, in whatever order its chunks return."""

from array import array
from collections.abc import Iterable
from functools import cache
from itertools import pairwise, permutations
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder.domain.errors import AbandonedError, BudgetExhaustedError
from hashfinder.kernel import Scan
from hashfinder.search.engine import Bounds, Chunk, Search
from hashfinder_rules.candidate import Candidate
from hashfinder_rules.keyspace import POSITIONS_END, Keyspace
from hashfinder_rules.query import Query

NAMES = ("a", "ab", "7/Q", "doctor", "zz=")
DENSE = Query("doctor", 0, 6)  # every position is a result
LAST_START = POSITIONS_END - 2000


@cache
def distance_at(name: str, position: int) -> int:
    """Return a candidate's distance; computed once for all tests."""
    return Candidate.at(position, Query(name, 0)).distance


class Model(NamedTuple):
    """The outcome that a search must have, computed one position after another."""

    results: list[int]
    found: bool
    next_position: int


def sequential(query: Query, start: int, maximum_hashes: int) -> Model:
    """Search one position after another."""
    results = []
    stop = min(start + maximum_hashes, POSITIONS_END)
    for position in range(start, stop):
        distance = distance_at(query.name, position)
        if distance <= max(query.ideal_distance, query.interesting_distance):
            results.append(position)
        if distance <= query.ideal_distance:
            return Model(results, found=True, next_position=position + 1)
    return Model(results, found=False, next_position=stop)


def first_smallest(name: str, positions: Iterable[int]) -> int | None:
    """Return the first position with the smallest distance; None without positions."""
    return min(positions, key=lambda position: distance_at(name, position), default=None)


def scan(query: Query, chunk: Chunk, capacity: int) -> Scan:
    """Scan by the contract of `Scanner.scan`."""
    results = array("Q")
    best: tuple[int, int] | None = None
    smallest = chunk.best_distance
    for position in range(chunk.start, chunk.stop):
        distance = distance_at(query.name, position)
        if distance < smallest:
            smallest = distance
            best = (position, distance)
        if distance <= query.result_distance:
            results.append(position)
            found = distance <= query.ideal_distance
            if found or len(results) == capacity:
                return Scan(position + 1, results, best, found)
    return Scan(chunk.stop, results, best)


def new_search(query: Query, start: int = 0, maximum: int = 10**6, **bounds: int) -> Search:
    """Begin a search at the time 100."""
    return Search(query, start, maximum, bounds=Bounds(**{"chunks": 8, **bounds}), now=100.0)


PARKED, RUNNABLE, STILL = (True, False), (False, True), (False, False)


def state(search: Search) -> tuple[bool, bool]:
    """Return whether it is parked, and whether it hands out chunks."""
    return search.parked, search.runnable


def position_with(name: str, distance: int, start: int) -> int:
    """Return the first position from `start` on with this distance."""
    return next(p for p in range(start, start + 100_000) if distance_at(name, p) == distance)


def run_alone(search: Search, size: int = 1000, capacity: int = 1024) -> list[int]:
    """Run a search to its end, one chunk at a time; return its results."""
    results = []
    while not search.ended:
        chunk = search.claim(size)
        search.give_back(chunk, scan(search.query, chunk, capacity))
        results += search.take_results()
    return results


@st.composite
def queries(draw: st.DrawFn) -> Query:
    """Queries, most of which have a match within a thousand positions."""
    name = draw(st.sampled_from(NAMES))
    distances = st.integers(0, len(name))
    return Query(name, draw(distances), draw(distances))


@given(queries(), st.sampled_from((0, 1, 250, 300, 65_700, LAST_START)), st.data())
def test_outcome_is_the_sequential_one_in_any_order(
    query: Query, start: int, data: st.DataObject
) -> None:
    """For any sizes, window, capacity and order of return; invariants hold at every moment."""
    draw = data.draw
    maximum = draw(st.sampled_from((1, 255, 256, 257, 1300, 5000)), "maximum")
    window = draw(st.integers(1, 5), "window")
    capacity = draw(st.sampled_from((1, 3, 50, 1024)), "capacity")
    parked_at = draw(st.sampled_from((1, 4, 1024)), "parked_at")
    random = draw(st.randoms(use_true_random=False), "order")
    search = new_search(query, start, maximum, chunks=window, results=parked_at)
    model = sequential(query, start, maximum)
    out: list[Chunk] = []
    claimed: list[Chunk] = []
    taken: list[int] = []
    merged = start
    while not search.ended:
        if search.runnable and (not out or random.random() < 0.6):
            chunk = search.claim(random.choice((1, 100, 256, 700)))
            out.append(chunk)
            claimed.append(chunk)
        elif out:
            chunk = out.pop(random.randrange(len(out)))
            search.give_back(chunk, scan(query, chunk, capacity))
        else:
            assert search.parked
            taken += search.take_results()
            assert search.runnable
        if random.random() < 0.2:
            taken += search.take_results()

        merged = assert_invariants_hold(search, start, merged, idle=not out)
        assert merged <= model.next_position
        assert len(out) <= window
    taken += search.take_results()

    assert model.results == taken
    assert model.found == search.found
    assert model.next_position == search.progress(103.0).next_position
    assert not search.runnable
    assert not search.parked
    if model.found:
        assert search.error is None
    else:
        assert isinstance(search.error, BudgetExhaustedError)
        assert min(maximum, POSITIONS_END - start) == search.error.limit
    for chunk in out:  # of no interest any more
        search.give_back(chunk, scan(query, chunk, capacity))
    assert search.idle
    assert model.next_position == search.progress(103.0).next_position
    assert_no_gaps(claimed, start)


def assert_invariants_hold(search: Search, start: int, merged: int, *, idle: bool) -> int:
    """Check the invariants of a search; return the next position of its progress."""
    progress = search.progress(103.0)
    assert merged <= progress.next_position
    assert progress.next_position - start == progress.hashes
    assert 3.0 == progress.seconds
    best = first_smallest(search.query.name, range(start, progress.next_position))
    assert best == (progress.best and progress.best.position)
    assert idle == search.idle
    assert (True, True) != state(search)
    return progress.next_position


def assert_no_gaps(claimed: list[Chunk], start: int) -> None:
    """Check that chunks leave no gap, except to continue scans that returned early."""
    end = start
    for chunk in sorted(claimed, key=lambda chunk: chunk.start):
        assert chunk.start <= end
        assert chunk.start < chunk.stop <= POSITIONS_END
        end = max(end, chunk.stop)


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_results_come_in_order_of_position_in_every_order_of_return(order: tuple[int, ...]) -> None:
    """All orders in which four chunks can return give the same results, in order of position."""
    query = Query("ab", 0, 1)
    search = new_search(query, maximum=1024)
    chunks = [search.claim(256) for _ in range(4)]
    expected = sequential(query, 0, 1024)
    returned: set[int] = set()
    results = []
    for index in order:
        search.give_back(chunks[index], scan(query, chunks[index], 1024))
        returned.add(index)
        whole = next((n for n in range(4) if n not in returned), 4)
        border = min(chunks[whole].start if whole < 4 else 1024, expected.next_position)
        assert border == search.progress(0).next_position
        results += search.take_results()
        assert [p for p in expected.results if p < border] == results

    assert expected.results == results


@pytest.mark.parametrize("start", [0, 1, 2, 256, 257, 65_793, 2**63])
@pytest.mark.parametrize("maximum", [1, 2, 255, 256, 257, 1000])
def test_budget_is_exact(start: int, maximum: int) -> None:
    """It ends at the exact candidate, whatever the size of the chunks."""
    search = new_search(Query("doctor", 0), start, maximum)
    run_alone(search, size=300)

    assert isinstance(search.error, BudgetExhaustedError)
    assert maximum == search.error.limit
    assert f"nothing was found within the budget of {maximum} hashes" == str(search.error)
    progress = search.progress(100.5)
    assert (maximum, start + maximum) == (progress.hashes, progress.next_position)


def test_ideal_candidate_at_the_last_position_of_the_budget_counts() -> None:
    """It is found; with a budget of one position less, nothing is."""
    where = position_with("ab", 0, 0)
    enough = new_search(Query("ab", 0), 0, where + 1)
    scarce = new_search(Query("ab", 0), 0, where)

    assert [where] == run_alone(enough)
    assert enough.found
    assert enough.error is None
    assert [] == run_alone(scarce)
    assert isinstance(scarce.error, BudgetExhaustedError)


@pytest.mark.parametrize("left", [1, 2, 256, 700])
def test_range_beyond_the_keyspace_is_truncated(left: int) -> None:
    """The last position is searched, and nothing is left to resume."""
    search = new_search(Query("doctor", 0), POSITIONS_END - left, 2**64 - 1)
    run_alone(search, size=300)

    assert isinstance(search.error, BudgetExhaustedError)
    progress = search.progress(100.0)
    assert (left, POSITIONS_END) == (progress.hashes, progress.next_position)
    assert progress.best is not None


@pytest.mark.parametrize("maximum", [700, 701, 2**64 - 1])
def test_a_finite_keyspace_ends_the_search(maximum: int) -> None:
    """It ends like a spent budget, but the text says so, and nothing is left to resume."""
    query = Query("-" * 9, keyspace=Keyspace(b"0123456789", 3))
    search = new_search(query, 300, maximum)
    chunk = search.claim(5000)
    assert (300, 1000) == (chunk.start, chunk.stop)
    search.give_back(chunk, Scan(chunk.stop, []))

    assert isinstance(search.error, BudgetExhaustedError)
    assert 700 == search.error.limit
    assert "the 700 hashes up to the end of the keyspace" in str(search.error)
    progress = search.progress(100.0)
    assert (1000, 1000) == (progress.next_position, progress.end)


def test_chunks_are_consecutive_and_of_the_requested_size() -> None:
    """Only the last one may be smaller, at the budget's end."""
    search = new_search(Query("doctor", 0), 1000, 10_000, chunks=100)
    chunks = []
    while search.runnable:
        chunks.append(search.claim(512))

    assert 1000 == chunks[0].start
    assert 11_000 == chunks[-1].stop
    assert all(one.stop == other.start for one, other in pairwise(chunks))
    assert {512} == {chunk.stop - chunk.start for chunk in chunks[:-1]}


def test_ideal_candidate_in_the_middle_of_a_chunk_ends_the_search_there() -> None:
    """The rest of the chunk is neither counted nor handed out again."""
    where = position_with("ab", 0, 300)
    query = Query("ab", 0)
    search = new_search(query, 300, 10**6)
    chunk = search.claim(where - 300 + 5000)
    assert chunk.stop > where + 1
    assert [0] == list(search.halt)
    search.give_back(chunk, scan(query, chunk, 1024))

    assert search.found
    assert [where] == search.take_results()
    progress = search.progress(100.0)
    assert where + 1 == progress.next_position
    assert progress.best is not None
    assert (where, 0) == (progress.best.position, progress.best.distance)
    assert not search.runnable
    assert [1] == list(search.halt)


class Ahead(NamedTuple):
    """A search whose ideal candidate is known while positions before it are still open."""

    search: Search
    where: int
    before: list[Chunk]
    holder: Chunk
    behind: list[Chunk]


def search_with_chunks_out() -> Ahead:
    """Hand out chunks beyond the one that contains the ideal candidate."""
    start = position_with("abc", 0, 1300) + 1
    where = position_with("abc", 0, start)
    search = new_search(Query("abc", 0, 2), start, 10**6, chunks=100)
    before = []
    while (chunk := search.claim(256)).stop <= where:
        before.append(chunk)
    assert len(before) >= 2
    return Ahead(search, where, before, chunk, [search.claim(256) for _ in range(3)])


def test_chunks_after_an_ideal_candidate_are_discarded() -> None:
    """Once it is known, nothing after it is handed out; the work before it continues."""
    search, where, before, holder, behind = search_with_chunks_out()
    query = search.query
    search.give_back(behind[0], scan(query, behind[0], 1024))
    assert RUNNABLE == state(search)
    search.give_back(holder, scan(query, holder, 1024))
    assert STILL == state(search)

    search.give_back(behind[1], scan(query, behind[1], 1024))
    late, *others = before
    for chunk in others:
        search.give_back(chunk, scan(query, chunk, 1024))
    assert where + 1 > search.progress(0).next_position
    search.give_back(late, scan(query, late, 1024))
    assert search.found
    assert where == search.take_results()[-1]
    assert where + 1 == search.progress(0).next_position
    search.give_back(behind[2], scan(query, behind[2], 1024))
    assert [] == search.take_results()
    assert where + 1 == search.progress(0).next_position


@pytest.mark.parametrize("known", [False, True])
def test_rest_after_an_ideal_candidate_is_not_handed_out(known: bool) -> None:  # noqa: FBT001
    """A scan after it that returns early is not continued, whenever the candidate becomes known."""
    search, _, before, holder, behind = search_with_chunks_out()
    early = Scan(behind[1].start + 5, [])
    if not known:
        search.give_back(behind[1], early)
        assert RUNNABLE == state(search)
    search.give_back(holder, scan(search.query, holder, 1024))
    if known:
        search.give_back(behind[1], early)
    assert STILL == state(search)

    first = before[0]  # but one before it is
    search.give_back(first, Scan(first.start + 5, []))
    assert RUNNABLE == state(search)
    assert (first.start + 5, first.stop) == (
        (rest := search.claim(1)).start,
        rest.stop,
    )
    assert STILL == state(search)


def test_scan_that_returned_early_is_continued_without_a_gap() -> None:
    """Its rest is handed out before any new chunk, the lowest one first."""
    query = DENSE
    search = new_search(query, 1, 100_000)
    one, two = search.claim(256), search.claim(256)
    search.give_back(two, scan(query, two, 100))
    search.give_back(one, scan(query, one, 10))

    assert list(range(1, 11)) == search.take_results()
    first, second, third = (search.claim(256) for _ in range(3))
    assert (11, one.stop) == (first.start, first.stop)
    assert (two.start + 100, two.stop) == (second.start, second.stop)
    assert two.stop == third.start
    search.give_back(first, scan(query, first, 1024))
    assert list(range(11, two.start + 100)) == search.take_results()


def test_search_with_many_results_is_parked_until_they_are_taken() -> None:
    """Meanwhile nothing is handed out; chunks in flight still return, and lose nothing."""
    query = DENSE
    search = new_search(query, 1, 100_000, results=256)
    one, two = search.claim(256), search.claim(256)
    assert RUNNABLE == state(search)
    search.give_back(one, scan(query, one, 1024))

    assert PARKED == state(search)
    search.give_back(two, scan(query, two, 1024))
    assert list(range(1, two.stop)) == search.take_results()
    assert RUNNABLE == state(search)
    assert two.stop == search.claim(256).start


def test_parked_search_keeps_its_rests() -> None:
    """A scan that returned early because of the parking is continued later."""
    query = DENSE
    search = new_search(query, 1, 100_000, results=100)
    chunk = search.claim(256)
    search.give_back(chunk, scan(query, chunk, 100))
    assert PARKED == state(search)

    search.take_results()
    assert RUNNABLE == state(search)
    assert (101, chunk.stop) == ((rest := search.claim(1)).start, rest.stop)


@pytest.mark.parametrize("window", [1, 2, 8])
def test_window_limits_chunks_in_flight_and_unmerged(window: int) -> None:
    """While the lowest chunk is late, the others run ahead of it only within the window."""
    query = Query("doctor", 0)
    search = new_search(query, 0, 10**6, chunks=window)
    late = search.claim(256)
    ahead = 0
    while search.runnable:
        chunk = search.claim(256)
        search.give_back(chunk, scan(query, chunk, 1024))
        ahead += 1
    assert window - 1 == ahead
    assert 0 == search.progress(0).hashes

    search.give_back(late, scan(query, late, 1024))
    assert RUNNABLE == state(search)
    assert window * 256 + 1 - 256 <= search.progress(0).hashes <= window * 512


def test_window_limits_the_rests_of_early_scans() -> None:
    """However many results there are, no more scans are kept than fit into the window."""
    query = DENSE
    search = new_search(query, 1, 10**6, chunks=4)
    search.claim(256)  # late
    ahead = 0
    while search.runnable:
        chunk = search.claim(256)
        search.give_back(chunk, scan(query, chunk, 10))
        ahead += 1

    assert 3 >= ahead


@pytest.mark.parametrize("early", [False, True])
def test_first_reason_to_stop_counts(early: bool) -> None:  # noqa: FBT001  # a case of the test
    """Later ones change nothing, whether or not chunks are in flight."""
    search = new_search(Query("doctor", 0))
    chunk = search.claim(256)
    if early:
        search.give_back(chunk, scan(search.query, chunk, 1024))
    first, second = AbandonedError(), RuntimeError("broken")

    assert search.stop(first)
    assert not search.stop(second)
    assert first is search.error
    assert [1] == list(search.halt)
    assert search.ended
    assert not search.found
    assert not search.runnable


def test_stop_does_not_replace_an_earlier_end() -> None:
    """A match and a spent budget are kept."""
    found, spent = new_search(Query("a", 1)), new_search(Query("doctor", 0), 0, 10)
    run_alone(found)
    run_alone(spent)

    assert not found.stop(AbandonedError())
    assert not spent.stop(AbandonedError())
    assert found.found
    assert found.error is None
    assert isinstance(spent.error, BudgetExhaustedError)


def test_stopped_search_keeps_its_results_and_ignores_later_scans() -> None:
    """Results merged before can still be taken; later scans do not count."""
    query = Query("doctor", 0, 4)
    search = new_search(query, 0, 10**6)
    one, two, three = (search.claim(512) for _ in range(3))
    search.give_back(three, scan(query, three, 1024))
    search.give_back(one, scan(query, one, 1024))
    search.stop(AbandonedError())
    search.give_back(two, scan(query, two, 1024))

    assert search.idle
    assert one.stop == search.progress(0).next_position
    assert sequential(query, 0, one.stop).results == search.take_results()


def test_chunks_start_with_the_best_merged_distance() -> None:
    """At first it is above every distance; later, kernels skip candidates that are worse."""
    query = Query("doctor", 0)
    search = new_search(query, 0, 10**6)
    first = search.claim(256)
    assert 7 == first.best_distance
    search.give_back(first, scan(query, first, 1024))
    second = search.claim(256)

    best = first_smallest("doctor", range(first.stop))
    assert best is not None
    assert distance_at("doctor", best) == second.best_distance


def test_first_of_equal_candidates_is_the_best() -> None:
    """Even if a later chunk, which started without knowing it, returns first."""
    query = Query("doctor", 0)
    search = new_search(query, 0, 10**6)
    chunks = [search.claim(500) for _ in range(4)]
    for chunk in reversed(chunks):
        search.give_back(chunk, scan(query, chunk, 1024))

    best = search.progress(0).best
    assert best is not None
    assert first_smallest("doctor", range(chunks[-1].stop)) == best.position
    assert Candidate.at(best.position, query) == best
