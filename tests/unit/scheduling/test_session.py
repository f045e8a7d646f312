"""Searches on the event loop: admitted, awaited, and stopped whenever they are left."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from hashfinder.domain.errors import (
    AbandonedError,
    BudgetExhaustedError,
    ServerDrainingError,
    ServerOverloadedError,
    TimeLimitReachedError,
)
from hashfinder.domain.outcome import Outcome
from hashfinder.domain.request import SearchRequest
from hashfinder.kernel import Kernel, load_kernel
from hashfinder.scheduling.admission import Admission, Limits, draining_error
from hashfinder.scheduling.scheduler import Scheduler
from hashfinder.scheduling.session import SearchService, Session
from hashfinder_rules.query import Query
from tests.unit.scheduling.allowances import allow
from tests.unit.scheduling.gate_kernel import GateKernel
from tests.unit.scheduling.null_observer import NullObserver

FOREVER = SearchRequest(Query("forever", 0, 7), 0, 10**15)
"""Every candidate is a result."""
SILENT = SearchRequest(Query("-silent-", 0), 0, 10**15)
"""There is never a result."""


class Bench:
    """A search service with one slot, and its parts."""

    def __init__(self, kernel: Kernel, maximum_seconds: int = 3600) -> None:
        """Create and start it."""
        allowance_of = allow(searches=9, maximum_seconds=maximum_seconds)
        self.scheduler = Scheduler(kernel, 2, allowance_of, NullObserver(), chunk_seconds=0.001)
        limits = Limits(searches=1, waiting=0, wait_seconds=0)
        self.admission = Admission(limits, allowance_of, lambda _client: 0.0, lambda: 0.0)
        self.service = SearchService(self.admission, self.scheduler, allowance_of)
        self.scheduler.start()

    def assert_free(self) -> None:
        """Check that no slot is taken and nothing is scanned."""
        assert (0, 0) == (self.admission.taken, self.admission.waiting)
        assert 0 == self.scheduler.statistics().active


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Return a service with a real kernel."""
    bench = Bench(load_kernel("python"))
    yield bench
    assert bench.scheduler.close(20)


@pytest.fixture
def kernel() -> GateKernel:
    """Return a kernel whose scans wait for the test."""
    return GateKernel()


@pytest.fixture
def gated(kernel: GateKernel) -> Iterator[Bench]:
    """Return a service with that kernel."""
    bench = Bench(kernel)
    yield bench
    kernel.open()
    assert bench.scheduler.close(20)


async def results_of(session: Session) -> AsyncIterator[int]:
    """Take all results, up to the ideal one."""
    found = False
    while not found:
        taken = await session.take()
        found = taken.found
        for position in taken.results:
            yield position


async def test_slot_is_free_after_a_find(bench: Bench) -> None:
    """All results arrive, the ideal one last."""
    request = SearchRequest(Query("ab", 0, 1), 0, 10**6)
    async with bench.service.open("client", request, Outcome()) as session:
        assert 1 == bench.admission.taken
        positions = [position async for position in results_of(session)]
        assert session.close() is None
    assert 57 == positions[-1]  # "/l27zqXOfimIuMabz9/eiQSqvB8=", the first one with "ab"
    assert sorted(positions) == positions
    bench.assert_free()


async def test_slot_is_free_after_a_spent_budget(bench: Bench) -> None:
    """The error has the progress over the whole range."""
    with pytest.raises(BudgetExhaustedError) as caught:
        async with bench.service.open(
            "client", SearchRequest(Query("ab", 0), 3, 10), Outcome()
        ) as session:
            await session.take()
    progress = caught.value.progress
    assert progress is not None
    assert (10, 13) == (progress.hashes, progress.next_position)
    assert progress.best is not None
    bench.assert_free()


async def test_results_come_before_the_error_that_ends_the_search(
    gated: Bench, kernel: GateKernel
) -> None:
    """If both are ready at once, the error follows without further waiting."""
    request = SearchRequest(Query("doctor", 0, 6), 0, 100)
    async with gated.service.open("client", request, Outcome()) as session:
        scanning = await asyncio.to_thread(kernel.next)
        scanning.finish((4, 6), (5, 6))
        taken = await session.take()
        assert [4, 5] == taken.results
        assert isinstance(taken.error, BudgetExhaustedError)
        assert not taken.found
        with pytest.raises(BudgetExhaustedError) as caught:
            await session.take()
        assert caught.value is taken.error
        assert caught.value.progress is not None
        assert 100 == caught.value.progress.hashes
    gated.assert_free()


async def test_slot_is_free_when_the_task_is_cancelled(gated: Bench, kernel: GateKernel) -> None:
    """It is free at once, although a worker is still scanning."""
    outcome = Outcome()

    async def search() -> None:
        async with gated.service.open("client", FOREVER, outcome) as session:
            await session.take()

    task = asyncio.create_task(search())
    await asyncio.to_thread(kernel.next)
    assert 1 == gated.admission.taken
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert outcome.reason is None  # nothing had stopped it before
    gated.assert_free()
    assert 0 < gated.scheduler.statistics().workers_busy


async def test_cancellation_keeps_the_reason_that_came_before_it(gated: Bench) -> None:
    """A search was stopped while its client did not read, and then the client disconnected."""
    blocked = asyncio.Event()

    outcome = Outcome()

    async def search() -> None:
        async with gated.service.open("client", FOREVER, outcome):
            blocked.set()
            await asyncio.Event().wait()  # a write that nobody reads

    task = asyncio.create_task(search())
    await blocked.wait()
    gated.scheduler.stop_all(draining_error)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(outcome.reason, ServerDrainingError)
    gated.assert_free()


async def test_cancellation_after_a_match_has_no_reason(gated: Bench, kernel: GateKernel) -> None:
    """The search had ended; its client did not wait for the result."""
    found = asyncio.Event()

    outcome = Outcome()

    async def search() -> None:
        async with gated.service.open("client", FOREVER, outcome) as session:
            assert (await session.take()).found
            found.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(search())
    first, second = [await asyncio.to_thread(kernel.next) for _ in range(2)]
    (first if first.start == 0 else second).finish((5, 0))
    await found.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert outcome.reason is None
    gated.assert_free()


async def test_slot_is_free_after_an_error_of_the_caller(gated: Bench) -> None:
    """The error propagates unchanged; the search is stopped."""
    outcome = Outcome()
    fault = RuntimeError("broken")
    with pytest.raises(RuntimeError) as caught:
        async with gated.service.open("client", FOREVER, outcome) as session:
            raise fault
    assert fault is caught.value
    assert outcome.reason is None
    assert isinstance(session.close(), AbandonedError)
    gated.assert_free()


async def test_error_of_the_caller_keeps_the_reason_that_came_before_it(gated: Bench) -> None:
    """The drain stopped the search, and then a write failed because the client had left."""
    fault = RuntimeError("the write failed")

    outcome = Outcome()

    async def search() -> None:
        async with gated.service.open("client", FOREVER, outcome):
            gated.scheduler.stop_all(draining_error)
            raise fault

    with pytest.raises(RuntimeError) as caught:
        await search()
    assert fault is caught.value
    assert isinstance(outcome.reason, ServerDrainingError)
    gated.assert_free()


async def test_fault_of_the_kernel_reaches_the_caller(gated: Bench, kernel: GateKernel) -> None:
    """The exception is the one raised in the worker."""
    fault = RuntimeError("boom")
    async with gated.service.open("client", FOREVER, Outcome()) as session:
        (await asyncio.to_thread(kernel.next)).fail(fault)
        with pytest.raises(RuntimeError) as caught:
            await session.take()
    assert fault is caught.value
    gated.assert_free()


async def test_drain_stops_a_search_with_its_progress(gated: Bench, kernel: GateKernel) -> None:
    """Its client can resume."""
    async with gated.service.open("client", FOREVER, Outcome()) as session:
        first = await asyncio.to_thread(kernel.next)
        second = await asyncio.to_thread(kernel.next)
        front = min(first, second, key=lambda scanning: scanning.start)
        front.finish((2, 7))
        assert [2] == (await session.take()).results
        gated.scheduler.stop_all(draining_error)
        with pytest.raises(ServerDrainingError) as caught:
            await session.take()
    assert caught.value.progress is not None
    assert front.stop == caught.value.progress.next_position
    gated.assert_free()


async def test_wait_can_time_out_without_an_error(gated: Bench) -> None:
    """It returns the progress so far; the search continues."""
    async with gated.service.open("client", FOREVER, Outcome()) as session:
        for patience in (0.0, -1.0, 1e-9):
            taken = await session.take(patience)
            assert [] == taken.results
            assert taken.error is None
            assert not taken.found
            assert 0 == taken.progress.next_position
    gated.assert_free()


async def test_refused_search_never_begins(gated: Bench, kernel: GateKernel) -> None:
    """The running search is not disturbed."""
    async with gated.service.open("client", FOREVER, Outcome()):
        await asyncio.to_thread(kernel.next)
        with pytest.raises(ServerOverloadedError) as caught:
            async with gated.service.open("other", FOREVER, Outcome()):
                pytest.fail("a second search was admitted")
        assert caught.value.progress is None
        assert 1 == gated.scheduler.statistics().active
        assert 1 == gated.admission.taken
    gated.assert_free()


async def test_time_limit_stops_a_search_with_its_progress(bench: Bench) -> None:
    """It works wherever the handler waits; the slot is free."""
    service = SearchService(bench.admission, bench.scheduler, allow(maximum_seconds=0))

    async def search() -> None:
        async with service.open("client", SILENT, Outcome()) as session:
            while True:
                await session.take()

    with pytest.raises(TimeLimitReachedError) as caught:
        await search()
    progress = caught.value.progress
    assert progress is not None
    assert progress.hashes == progress.next_position
    bench.assert_free()


async def test_what_stopped_a_search_before_the_time_limit_is_reported(bench: Bench) -> None:
    """Even if its handler was busy with something else at that moment."""
    service = SearchService(bench.admission, bench.scheduler, allow(maximum_seconds=0))

    async def search() -> None:
        async with service.open("client", FOREVER, Outcome()):
            bench.scheduler.stop_all(draining_error)
            await asyncio.sleep(3600)

    with pytest.raises(ServerDrainingError):
        await search()
    bench.assert_free()
