"""Who gets a slot, who waits, and who is refused, on an event loop with virtual time."""

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder.domain.errors import (
    ClientQuotaExhaustedError,
    LimitError,
    ServerDrainingError,
    ServerOverloadedError,
    StoppedError,
    TooManySearchesError,
)
from hashfinder.scheduling.admission import Admission, Limits
from tests.unit.scheduling.allowances import allow
from tests.unit.virtual_time import now, run


def new_admission(
    searches: int = 2,
    per_client: int = 100,
    waiting: int = 100,
    wait_seconds: float = 5.0,
    quota: dict[str, float] | None = None,
) -> Admission:
    """Return an admission; `quota` has the retry delays of clients whose quota is used up."""
    delays = quota or {}
    limits = Limits(searches, waiting, wait_seconds)
    allowance_of = allow(searches=per_client, hash_rate=777)
    return Admission(limits, allowance_of, lambda client: delays.get(client, 0.0), now)


async def hold(admission: Admission, client: str, seconds: float) -> float:
    """Hold a slot for some time; return when it was granted."""
    async with admission.slot(client):
        began = now()
        await asyncio.sleep(seconds)
        return began


async def refused(admission: Admission, client: str = "a") -> StoppedError:
    """Return the error with which a search is refused."""
    with pytest.raises(StoppedError) as caught:
        await hold(admission, client, 0)
    return caught.value


def start(work: Coroutine[Any, Any, float]) -> asyncio.Task[float]:
    """Start a coroutine as a task."""
    return asyncio.create_task(work)


async def settle() -> None:
    """Run all tasks until each of them waits for time to pass."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def full(admission: Admission, slots: int) -> AsyncIterator[list[asyncio.Task[float]]]:
    """Keep the first `slots` slots taken for an hour, or until the tasks are cancelled."""
    tasks = [start(hold(admission, f"holder {n}", 3600)) for n in range(slots)]
    await settle()
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def assert_nothing_is_held(admission: Admission, *clients: str, per_client: int) -> None:
    """Check that every slot and every client's searches are free again."""
    assert (0, 0) == (admission.taken, admission.waiting)
    for client in clients:
        async with asyncio.TaskGroup() as group:
            for _ in range(per_client):  # as many as a client may have: none is still counted
                group.create_task(hold(admission, client, 0))
    assert (0, 0) == (admission.taken, admission.waiting)


def test_free_slot_is_granted_at_once() -> None:
    """No search waits while a slot is free."""

    async def scenario() -> None:
        admission = new_admission(searches=2)
        async with admission.slot("a"), admission.slot("a"):
            assert (2, 0) == (admission.taken, admission.waiting)
        assert (0, 0) == (admission.taken, admission.waiting)
        assert 0.0 == now()

    run(scenario())


def test_waiting_search_gets_a_slot_as_soon_as_it_is_free() -> None:
    """It gets the slot without a delay."""

    async def scenario() -> None:
        admission = new_admission(searches=1)
        first = start(hold(admission, "a", 3))
        second = start(hold(admission, "b", 1))
        await settle()
        assert (1, 1) == (admission.taken, admission.waiting)
        assert (0.0, 3.0) == tuple(await asyncio.gather(first, second))

    run(scenario())


def test_waiting_is_fair_to_clients_and_in_order_within_each() -> None:
    """A client with many waiting searches does not delay another with a single one."""

    async def scenario() -> None:
        admission = new_admission(searches=1, wait_seconds=3600)
        names = ["a1", "a2", "a3", "a4", "b1", "c1", "c2"]
        async with full(admission, 1) as (holder,):
            tasks = {name: start(hold(admission, name[0], 1)) for name in names}
            await settle()
            assert len(names) == admission.waiting
            holder.cancel()
            began = dict(zip(names, await asyncio.gather(*tasks.values()), strict=True))
        expected = ["a1", "b1", "c1", "a2", "c2", "a3", "a4"]
        assert expected == sorted(names, key=lambda name: began[name])

    run(scenario())


def test_client_with_too_many_searches_is_refused() -> None:
    """Waiting searches count; other clients are not affected; a search that ends makes room."""

    async def scenario() -> None:
        admission = new_admission(searches=1, per_client=2)
        running, waiting = start(hold(admission, "a", 2)), start(hold(admission, "a", 2))
        await settle()
        error = await refused(admission)
        assert isinstance(error, TooManySearchesError)
        assert 2 == error.limit
        assert "this client has 2 searches, the most that one client may have" == str(error)
        assert error.progress is None
        other = start(hold(admission, "b", 0))
        await running
        third = start(hold(admission, "a", 0))
        await asyncio.gather(waiting, third, other)
        await assert_nothing_is_held(admission, "a", "b", per_client=2)

    run(scenario())


def test_client_without_quota_is_refused_with_a_delay() -> None:
    """Even if slots are free; other clients are admitted."""

    async def scenario() -> None:
        admission = new_admission(quota={"a": 12.5})
        error = await refused(admission, "a")
        assert isinstance(error, ClientQuotaExhaustedError)
        assert (12.5, 777) == (error.retry_after, error.limit)
        await hold(admission, "b", 0)
        assert (0, 0) == (admission.taken, admission.waiting)

    run(scenario())


def test_search_is_refused_at_once_if_too_many_wait() -> None:
    """It does not join the queue."""

    async def scenario() -> None:
        admission = new_admission(searches=1, waiting=2)
        async with full(admission, 1):
            tasks = [start(hold(admission, client, 0)) for client in ("a", "c")]
            await settle()
            error = await refused(admission, "b")
            assert isinstance(error, ServerOverloadedError)
            assert 1 == error.limit
            assert "the server has 1 searches, the most that it accepts" == str(error)
            assert 0.0 == now()
            await asyncio.gather(*tasks, return_exceptions=True)
        await assert_nothing_is_held(admission, "a", "b", per_client=1)

    run(scenario())


@pytest.mark.parametrize("wait_seconds", [0, 0.25, 5])
def test_search_that_waits_too_long_is_refused(wait_seconds: float) -> None:
    """Exactly when its time to wait is over."""

    async def scenario() -> None:
        admission = new_admission(searches=1, wait_seconds=wait_seconds)
        async with full(admission, 1):
            assert isinstance(await refused(admission), ServerOverloadedError)
            assert pytest.approx(wait_seconds) == now()
            assert (1, 0) == (admission.taken, admission.waiting)
        await assert_nothing_is_held(admission, "a", per_client=1)

    run(scenario())


def test_full_server_without_a_queue_refuses_at_once() -> None:
    """If no search may wait, a full server refuses immediately."""

    async def scenario() -> None:
        admission = new_admission(searches=1, waiting=0)
        async with full(admission, 1):
            assert isinstance(await refused(admission), ServerOverloadedError)
            assert 0.0 == now()

    run(scenario())


def test_search_cancelled_while_it_waits_leaves_the_queue() -> None:
    """The next one is served as if the cancelled one had never waited."""

    async def scenario() -> None:
        admission = new_admission(searches=1)
        first, second, third = (start(hold(admission, name, 2)) for name in "abc")
        await settle()
        second.cancel()
        await settle()
        assert second.cancelled()
        assert (1, 1) == (admission.taken, admission.waiting)
        assert (0.0, 2.0) == tuple(await asyncio.gather(first, third))
        await assert_nothing_is_held(admission, "a", "b", "c", per_client=1)

    run(scenario())


@pytest.mark.parametrize("successor", [False, True])
def test_slot_granted_to_a_search_cancelled_at_the_same_time_is_not_lost(
    successor: bool,  # noqa: FBT001  # a case of the test
) -> None:
    """It is granted to the next search, or is free."""

    async def scenario() -> None:
        admission = new_admission(searches=1)
        async with full(admission, 1) as (holder,):
            waiting = start(hold(admission, "a", 0))
            last = start(hold(admission, "b", 0)) if successor else None
            await settle()
            holder.cancel()
            await asyncio.sleep(0)  # the slot was granted; the waiting search has not run yet
            waiting.cancel()
            await settle()
            assert waiting.cancelled()
            if last is not None:
                assert 0.0 == await last
            assert (0, 0) == (admission.taken, admission.waiting)
            assert 0.0 == now()

    run(scenario())


@pytest.mark.parametrize("successor", [False, True])
def test_slot_granted_to_a_search_that_times_out_at_the_same_time_is_not_lost(
    successor: bool,  # noqa: FBT001  # a case of the test
) -> None:
    """Whether or not the search got the slot, it is free again."""

    async def scenario() -> None:
        admission = new_admission(searches=1, wait_seconds=2)
        holder = start(hold(admission, "holder", 2))
        tasks = [start(hold(admission, name, 0)) for name in ("ab" if successor else "a")]
        await asyncio.gather(holder, *tasks, return_exceptions=True)
        assert 2.0 == pytest.approx(now())
        await assert_nothing_is_held(admission, "a", "b", per_client=1)

    run(scenario())


def test_close_refuses_waiting_and_new_searches_but_not_running_ones() -> None:
    """Running searches end by themselves."""

    async def scenario() -> None:
        admission = new_admission(searches=1)
        running = start(hold(admission, "a", 2))
        waiting = [start(hold(admission, name, 2)) for name in "bcb"]
        await settle()
        admission.close()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        outcomes.append(await refused(admission, "d"))
        assert all(isinstance(outcome, ServerDrainingError) for outcome in outcomes)
        assert len(outcomes) == len({id(outcome) for outcome in outcomes})
        assert 0.0 == now()
        assert (1, 0) == (admission.taken, admission.waiting)
        assert 0.0 == await running
        assert (0, 0) == (admission.taken, admission.waiting)

    run(scenario())


def test_close_and_cancel_at_the_same_time_leave_nothing_behind() -> None:
    """No slot stays taken, and no exception is left unretrieved."""

    async def scenario() -> None:
        admission = new_admission(searches=1)
        async with full(admission, 1):
            waiting = start(hold(admission, "a", 0))
            await settle()
            admission.close()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert (0, 0) == (admission.taken, admission.waiting)

    run(scenario())


def test_error_inside_a_slot_frees_it() -> None:
    """The error propagates unchanged."""

    async def scenario() -> None:
        admission = new_admission(searches=1)
        fault = RuntimeError("broken")
        with pytest.raises(RuntimeError) as caught:
            async with admission.slot("a"):
                raise fault
        assert fault is caught.value
        await assert_nothing_is_held(admission, "a", per_client=1)

    run(scenario())


def test_retry_delay_grows_with_the_queue_within_bounds() -> None:
    """From half a second to half a minute, about as long as the queue takes."""

    async def advice(admission: Admission) -> float:
        error = await refused(admission, "late")
        assert isinstance(error, LimitError)
        return error.retry_after

    async def scenario() -> None:
        admission = new_admission(searches=2, waiting=60, wait_seconds=0)
        for _ in range(100):
            await hold(admission, "a", 10)
        async with full(admission, 2):
            assert pytest.approx(5, rel=0.01) == await advice(admission)

        crowded = new_admission(searches=1, waiting=40, wait_seconds=3600)
        async with full(crowded, 1):
            tasks = [start(hold(crowded, "a", 0)) for _ in range(40)]
            await settle()
            assert 30.0 == await advice(crowded)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        quick = new_admission(searches=1000, waiting=0)
        async with full(quick, 1000):
            assert 0.5 == await advice(quick)

    run(scenario())


def test_past_clients_leave_nothing_in_memory() -> None:
    """However many there were."""

    async def scenario() -> None:
        admission = new_admission()
        await hold(admission, "first", 0)
        before = sys.getallocatedblocks()
        for n in range(5000):
            await hold(admission, f"client {n}", 0)
        assert sys.getallocatedblocks() - before < 1000

    run(scenario())


class PlannedSearch:
    """One of many searches: when it arrives, how long it runs, when its client gives up."""

    def __init__(self, client: str, comes: int, holds: int, gives_up: int | None) -> None:
        """Set the plan in whole seconds, so that many events coincide."""
        self.client = client
        self.comes = comes
        self.holds = holds
        self.gives_up = gives_up

    def __repr__(self) -> str:
        return f"PlannedSearch({self.client!r}, {self.comes}, {self.holds}, {self.gives_up})"


planned_searches = st.lists(
    st.builds(
        PlannedSearch,
        st.sampled_from("abc"),
        st.integers(0, 6),
        st.integers(0, 4),
        st.none() | st.integers(0, 8),
    ),
    max_size=25,
)


@given(
    planned_searches,
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(0, 6),
    st.integers(0, 3),
    st.none() | st.integers(0, 10),
)
def test_limits_hold_and_counts_return_to_zero_under_any_load(
    plans: list[PlannedSearch],
    searches: int,
    per_client: int,
    waiting: int,
    wait_seconds: int,
    closes: int | None,
) -> None:
    """Searches that arrive, end, are cancelled and time out at the same moments lose no slot."""

    async def run_search(admission: Admission, plan: PlannedSearch) -> str:
        await asyncio.sleep(plan.comes)
        try:
            async with admission.slot(plan.client):
                assert 1 <= admission.taken <= searches
                assert admission.waiting <= waiting
                await asyncio.sleep(plan.holds)
        except StoppedError as error:
            return type(error).__name__
        return "served"

    async def scenario() -> None:
        admission = new_admission(searches, per_client, waiting, wait_seconds)
        loop = asyncio.get_running_loop()
        tasks = []
        for plan in plans:
            task = asyncio.create_task(run_search(admission, plan))
            if plan.gives_up is not None:
                loop.call_later(plan.gives_up, task.cancel)
            tasks.append(task)
        if closes is not None:
            loop.call_later(closes, admission.close)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)

        for plan, outcome in zip(plans, outcomes, strict=True):
            if isinstance(outcome, asyncio.CancelledError):
                assert plan.gives_up is not None
            else:
                assert isinstance(outcome, str), outcome
                assert closes is not None or outcome != "ServerDrainingError"
        assert (0, 0) == (admission.taken, admission.waiting)
        if closes is None:
            many = min(per_client, searches)
            await assert_nothing_is_held(admission, "a", "b", "c", per_client=many)

    run(scenario())


async def hold_until_revoked(
    admission: Admission, client: str, gone: list[str], leaving: float
) -> None:
    """Hold a slot until it is revoked, then add the client to `gone` and release it later."""
    async with admission.slot(client) as slot:
        needed = asyncio.get_running_loop().create_future()
        slot.on_revoked(needed.set_result)
        error = await needed
        gone.append(client)
        await asyncio.sleep(leaving)
        raise error


@asynccontextmanager
async def occupied(
    admission: Admission, *clients: str, leaving: float = 0.0
) -> AsyncIterator[list[str]]:
    """Hold a slot for each client, acquired a second apart; yield the list of those revoked."""
    gone: list[str] = []
    tasks = []
    for client in clients:
        tasks.append(asyncio.create_task(hold_until_revoked(admission, client, gone, leaving)))
        await asyncio.sleep(1)
    yield gone
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_client_without_a_slot_takes_one_from_the_client_with_most() -> None:
    """The slot held for the longest time is revoked, after a moment in which none became free."""

    async def scenario() -> None:
        admission = new_admission(searches=5)
        async with occupied(admission, "two", "three", "two", "three", "three") as gone:
            began = now()
            assert 0.25 == pytest.approx(await hold(admission, "newcomer", 0) - began)
            assert ["three"] == gone
        assert (0, 0) == (admission.taken, admission.waiting)

    run(scenario())


def test_new_client_gets_a_slot_even_without_a_queue() -> None:
    """It does not queue: a slot is revoked at once."""

    async def scenario() -> None:
        admission = new_admission(searches=2, waiting=0, wait_seconds=0)
        async with occupied(admission, "a", "a") as gone:
            began = now()
            assert began == await hold(admission, "newcomer", 0)
            assert ["a"] == gone

    run(scenario())


def test_new_client_with_many_searches_takes_only_one_slot() -> None:
    """Its other searches wait for slots that become free, because it has a slot then."""

    async def scenario() -> None:
        admission = new_admission(searches=6)
        async with occupied(admission, *"aaaaaa") as gone:
            work = [start(hold(admission, "newcomer", 30)) for _ in range(10)]
            await asyncio.gather(*work, return_exceptions=True)
            assert ["a"] == gone

    run(scenario())


def test_free_slot_goes_to_the_client_with_fewest() -> None:
    """Even if another client has waited for longer."""

    async def scenario() -> None:
        admission = new_admission(searches=2)
        first = start(hold(admission, "a", 0.2))
        second = start(hold(admission, "a", 9))
        await settle()
        more = start(hold(admission, "a", 1))
        await asyncio.sleep(0.1)
        newcomer = start(hold(admission, "b", 1))
        assert [0.0, 0.2] == [await first, pytest.approx(await newcomer)]
        assert 1.2 == pytest.approx(await more)
        await second

    run(scenario())


def test_clients_with_one_search_each_take_turns_of_a_minute() -> None:
    """Many clients, or one with many identities, cannot lock anyone out for longer."""

    async def scenario() -> None:
        admission = new_admission(searches=3)
        async with occupied(admission, "a", "b", "c") as gone:
            assert isinstance(await refused(admission, "newcomer"), ServerOverloadedError)
            assert [] == gone
            await asyncio.sleep(60)
            await hold(admission, "newcomer", 0)
            assert ["a"] == gone

    run(scenario())


def test_queue_cannot_be_filled_by_one_client() -> None:
    """The newest search of the client with most makes room for a client with fewer."""

    async def scenario() -> None:
        admission = new_admission(searches=1, waiting=3)
        async with occupied(admission, "holder"):
            many = [asyncio.create_task(refused(admission, "many")) for _ in range(3)]
            await settle()
            one = asyncio.create_task(refused(admission, "one"))
            await settle()
            assert [False, False, True] == [task.done() for task in many]
            assert isinstance(await many[2], ServerOverloadedError)
            assert 3 == admission.waiting
            two = asyncio.create_task(refused(admission, "two"))
            three = asyncio.create_task(refused(admission, "three"))
            await settle()
            assert [False, True] == [two.done(), three.done()]
            await asyncio.gather(*many, one, two, three)

    run(scenario())


def test_search_cancelled_during_a_revocation_keeps_no_slot() -> None:
    """The revoked slot is free for the next search."""

    async def scenario() -> None:
        admission = new_admission(searches=2)
        async with occupied(admission, "a", "a", leaving=0.5) as gone:
            newcomer = start(hold(admission, "b", 1))
            await asyncio.sleep(0.5)
            newcomer.cancel()
            await asyncio.sleep(0.5)
            assert (["a"], 1, 0) == (gone, admission.taken, admission.waiting)
            began = now()
            assert began == await hold(admission, "c", 0)

    run(scenario())


def test_waiting_client_displaces_no_client_with_equally_many() -> None:
    """A search is refused if its client would then have as many waiting as the client with most."""

    async def scenario() -> None:
        admission = new_admission(searches=1, waiting=3)
        async with occupied(admission, "holder"):
            many = [asyncio.create_task(refused(admission, "many")) for _ in range(2)]
            two = asyncio.create_task(refused(admission, "two"))
            await settle()
            again = asyncio.create_task(refused(admission, "two"))
            await settle()
            assert [False, False, False, True] == [task.done() for task in (*many, two, again)]
            await asyncio.gather(*many, two, again)

    run(scenario())


def test_client_with_a_slot_does_not_revoke_another() -> None:
    """Without a queue it is refused, even if another client has more slots."""

    async def scenario() -> None:
        admission = new_admission(searches=3, waiting=0)
        async with occupied(admission, "a", "a", "b") as gone:
            assert isinstance(await refused(admission, "b"), ServerOverloadedError)
            assert [] == gone

    run(scenario())


def test_revoked_search_gets_the_reason() -> None:
    """The error also has the number of slots."""

    async def scenario() -> None:
        admission = new_admission(searches=2, waiting=0)
        errors: list[ServerOverloadedError] = []
        async with admission.slot("a") as first, admission.slot("a"):
            first.on_revoked(errors.append)
            newcomer = start(hold(admission, "b", 0))
            await settle()
            newcomer.cancel()
            assert "for another client" in str(errors[0])
            assert 2 == errors[0].limit

    run(scenario())
