"""The client library with a real server: it resumes after every stop, and leaves nothing."""

import asyncio
import signal
from collections.abc import Callable
from threading import Thread

import grpc
import pytest

from examples import finding
from hashfinder_client import (
    AsyncFinder,
    BudgetSpentError,
    BusyError,
    DeadlinePassedError,
    Finder,
    InvalidSearchError,
    Match,
    Pause,
    Progress,
    Query,
    RetryPolicy,
    SearchEvent,
    UnavailableError,
)
from tests.integration.server_process import ServerProcess, eventually

ServeReal = Callable[..., ServerProcess]
HOPELESS = "hashfinderhashfinder"
QUERY = Query("doctor", inferior_distance=1)
OFTEN = 0.05
"""Seconds between two reports, the shortest interval of the contract."""


@pytest.fixture(scope="module")
def whole(module_server: ServerProcess) -> list[int]:
    """The positions of all results, from one uninterrupted search."""
    with Finder(module_server.address) as finder, finder.find_range(QUERY) as events:
        return positions(list(events))


def positions(events: list[SearchEvent]) -> list[int]:
    """Return the positions of the results among the events."""
    return [item.position for item in events if isinstance(item, Match)]


def pauses(events: list[SearchEvent]) -> list[Pause]:
    """Return the pauses among the events."""
    return [item for item in events if isinstance(item, Pause)]


async def gather_async(server: str, query: Query) -> list[SearchEvent]:
    """Return all events of a search with an AsyncFinder."""
    async with AsyncFinder(server) as finder, finder.find_range(query) as events:
        return [item async for item in events]


def gather(server: str, query: Query) -> list[SearchEvent]:
    """Return all events of a search with a Finder."""
    with Finder(server) as finder, finder.find_range(query) as events:
        return list(events)


def cancels(server: ServerProcess) -> float:
    """Return how many RPCs the server has counted as cancelled by their clients."""
    return server.metric("hashfinder_cancellations_total", cause="client_cancel")


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--maximum-hashes", "9000000"], "HASH_BUDGET_EXHAUSTED"),
        (
            ["--client-hash-rate", "1000000", "--client-hash-burst", "8000000"],
            "CLIENT_QUOTA_EXHAUSTED",
        ),
    ],
    ids=["budget", "quota"],
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_resumes(
    server_process: ServeReal, whole: list[int], flags: list[str], reason: str, *, is_async: bool
) -> None:
    """After budgets and quotas the results are those of one search, and no RPC is cancelled."""
    server = server_process(*flags)

    address = server.address
    events = asyncio.run(gather_async(address, QUERY)) if is_async else gather(address, QUERY)

    assert whole == positions(events)
    assert {reason} == {pause.error.details.reason for pause in pauses(events)}
    assert server.metric("grpc_server_started_total", grpc_method="FindRange") == (
        1 + len(pauses(events))
    )
    assert 0 == cancels(server)


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "drained"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_server_restarted(
    server_process: ServeReal, whole: list[int], stop: signal.Signals, *, is_async: bool
) -> None:
    """A search survives its server: it resumes on the next one at the same address."""
    # slow enough not to end before the server is stopped
    first = server_process("--client-hash-rate", "10000000", "--client-hash-burst", "10000000")
    port = first.address.rpartition(":")[2]
    taken: list[SearchEvent] = []
    query = QUERY

    def search() -> None:
        policy = RetryPolicy(retries=50, longest_delay=0.5)
        with (
            Finder(first.address, policy=policy, progress_interval=OFTEN) as finder,
            finder.find_range(query) as events,
        ):
            taken.extend(events)

    async def search_async() -> None:
        policy = RetryPolicy(retries=50, longest_delay=0.5)
        async with (
            AsyncFinder(first.address, policy=policy, progress_interval=OFTEN) as finder,
            finder.find_range(query) as events,
        ):
            async for item in events:
                taken.append(item)  # noqa: PERF401 - seen by the test meanwhile

    searcher = Thread(target=lambda: asyncio.run(search_async()) if is_async else search())
    searcher.start()
    eventually(lambda: bool(taken), "an event", 20)
    first.send(stop)
    first.wait()
    eventually(lambda: bool(pauses(taken)), "a pause", 20)
    server_process("--port", port)
    searcher.join(40)

    assert not searcher.is_alive()
    assert whole == positions(taken)
    statuses = {pause.error.status for pause in pauses(taken)}
    assert grpc.StatusCode.UNAVAILABLE in statuses


def test_leaving_the_loop(module_server: ServerProcess) -> None:
    """A `break` frees the server, although the channel stays open."""
    before = cancels(module_server)
    with Finder(module_server.address, progress_interval=OFTEN) as finder:
        with finder.find_range(HOPELESS) as events:
            for item in events:
                assert isinstance(item, Progress)
                break
        module_server.wait_until_idle()
        eventually(lambda: before + 1 == cancels(module_server), "one cancel")


async def test_leaving_with_the_ideal_result(module_server: ServerProcess) -> None:
    """An RPC that found its match does not count as cancelled."""
    before = cancels(module_server)
    with Finder(module_server.address) as finder:
        for _ in range(30):
            with finder.find_range("ab") as events:
                assert isinstance(next(events), Match)
    async with AsyncFinder(module_server.address) as later:
        for _ in range(30):
            async with later.find_range("ab") as news_later:
                assert isinstance(await anext(news_later), Match)

    await asyncio.sleep(0.2)  # the server needs 50 ms to determine the cause
    assert before == cancels(module_server)


@pytest.mark.parametrize("way", ["break", "cancel"])
async def test_leaving_the_loop_in_asyncio(module_server: ServerProcess, way: str) -> None:
    """So does a break out of an asynchronous loop, or a cancelled task."""
    before = cancels(module_server)
    begun = asyncio.Event()

    async def search(finder: AsyncFinder) -> None:
        async with finder.find_range(HOPELESS) as events:
            async for item in events:
                assert isinstance(item, Progress)
                begun.set()
                if way == "break":
                    break

    async with AsyncFinder(module_server.address, progress_interval=OFTEN) as finder:
        task = asyncio.create_task(search(finder))
        await asyncio.wait_for(begun.wait(), 20)
        if way == "cancel":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            await task
        await asyncio.to_thread(module_server.wait_until_idle)
        await asyncio.to_thread(
            eventually, lambda: before + 1 == cancels(module_server), "one cancel"
        )


async def test_cancelled_find(module_server: ServerProcess) -> None:
    """A cancelled task frees the server."""
    async with AsyncFinder(module_server.address) as finder:
        task = asyncio.create_task(finder.find(HOPELESS))
        await asyncio.to_thread(module_server.wait_for_searches, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(module_server.wait_until_idle)


async def test_deadline(module_server: ServerProcess) -> None:
    """The deadline ends both kinds of search with the position reached."""
    server = module_server.address
    with (
        Finder(server, timeout=1, progress_interval=OFTEN) as finder,
        pytest.raises(DeadlinePassedError) as stopped,
    ):
        finder.find(HOPELESS)
    assert stopped.value.hashes == stopped.value.next_position
    assert stopped.value.hashes
    assert stopped.value.best
    async with AsyncFinder(server) as later:
        with pytest.raises(DeadlinePassedError):
            await later.find(HOPELESS, timeout=0.3)
    await asyncio.to_thread(module_server.wait_until_idle)


async def test_budget_of_the_query(server_process: ServeReal) -> None:
    """The query's budget limits all RPCs together, exactly."""
    server = server_process("--maximum-hashes", "1000000")
    query = Query(HOPELESS, start_position=7, maximum_hashes=2_500_000)

    with Finder(server.address) as finder, pytest.raises(BudgetSpentError) as stopped:
        finder.find(query)
    async with AsyncFinder(server.address) as later:
        with pytest.raises(BudgetSpentError):
            await later.find(query)

    assert (2_500_000, 2_500_007) == (stopped.value.hashes, stopped.value.next_position)
    assert 6 == server.metric("grpc_server_started_total", grpc_method="FindRange")


def test_errors(server_process: ServeReal) -> None:
    """Each error has what its receiver needs; a given channel is not closed."""
    server = server_process("--maximum-searches-per-client", "1")
    with server.channel() as channel:
        with Finder(channel) as finder, pytest.raises(InvalidSearchError) as refused:
            finder.find(Query("", ideal_distance=-1))
        patient = RetryPolicy(retries=1)
        with (
            Finder(channel, policy=patient, progress_interval=OFTEN) as finder,
            finder.find_range(HOPELESS) as events,
        ):
            next(events)
            with pytest.raises(BusyError) as busy:
                finder.find("doctor")
        server.wait_until_idle()
        assert "doc" in Finder(channel).find("doc").hashed_name.lower()
    assert {"desired_name", "ideal_hamming_distance"} == {
        field for field, _ in refused.value.details.violations
    }
    assert busy.value.retry_after is not None
    assert busy.value.next_position is None
    server.send(signal.SIGTERM)
    server.wait()
    hasty = RetryPolicy(retries=1, first_delay=0.01)
    with Finder(server.address, policy=hasty) as finder, pytest.raises(UnavailableError):
        finder.find("doctor")


def test_example(module_server: ServerProcess, caplog: pytest.LogCaptureFixture) -> None:
    """The example prints what it should."""
    caplog.set_level("INFO")
    server = module_server.address

    found = finding.find(server)
    finding.follow(server)
    first = asyncio.run(finding.race(server, HOPELESS, "nurse"))

    assert found
    assert "doctor" in found.hashed_name.lower()
    assert "robot" in caplog.messages[-1].lower()
    assert "nurse" in first.hashed_name.lower()
    module_server.wait_until_idle()
