"""A closed finder: each search ends with one error of ours, and nothing is left (fault 30)."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from hashfinder_client import AsyncFinder, Finder, FinderClosedError, Progress, Query, SearchEvent
from hashfinder_rules.scheme import Encoding, Scheme
from tests.integration.server_process import ServerProcess, eventually

HOPELESS = "hashfinderhashfinder"
OFTEN = 0.05
"""Seconds between two reports."""
SHARDS = [None, 4]


@pytest.mark.parametrize("shards", SHARDS)
def test_closed_by_another_thread(module_server: ServerProcess, shards: int | None) -> None:
    """The search ends with the error, which has the position to resume from; no thread is left."""
    threads = threading.active_count()
    finder = Finder(module_server.address, progress_interval=OFTEN)
    seen: list[SearchEvent] = []
    errors: list[FinderClosedError] = []

    def search() -> None:
        try:
            with finder.find_range(HOPELESS, shards=shards) as events:
                seen.extend(events)
        except FinderClosedError as error:
            errors.append(error)

    thread = threading.Thread(target=search)
    thread.start()
    eventually(lambda: bool(seen), "progress")
    finder.close()
    thread.join(10)

    assert not thread.is_alive()
    assert errors[0].next_position is not None
    module_server.wait_until_idle()
    eventually(lambda: threads >= threading.active_count(), "no thread left")


async def test_closed_under_a_task(module_server: ServerProcess) -> None:
    """The task gets the error; it is not cancelled."""
    finder = AsyncFinder(module_server.address, progress_interval=OFTEN)
    begun = asyncio.Event()

    async def search() -> None:
        async with finder.find_range(HOPELESS) as events:
            async for event in events:
                assert isinstance(event, Progress)
                begun.set()

    tasks = [asyncio.create_task(search()), asyncio.create_task(finder.find(HOPELESS, shards=3))]
    await asyncio.wait_for(begun.wait(), 20)
    await finder.close()
    errors = await asyncio.gather(*tasks, return_exceptions=True)

    assert [FinderClosedError, FinderClosedError] == [type(error) for error in errors]
    async with asyncio.timeout(5):  # gRPC's own tasks end some steps later.
        while {asyncio.current_task()} != asyncio.all_tasks():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.to_thread(module_server.wait_until_idle)


@pytest.mark.parametrize("shards", SHARDS)
async def test_used_after_it_was_closed(module_server: ServerProcess, shards: int | None) -> None:
    """Both finders always raise the same error, also if the owner has closed the channel."""
    with Finder(module_server.address) as finder:
        pass
    async with AsyncFinder(module_server.address) as later:
        pass
    with module_server.channel() as channel:
        pass
    async with grpc.aio.insecure_channel(module_server.address) as async_channel:
        pass
    for blocking in [finder, finder, Finder(channel)]:
        with pytest.raises(FinderClosedError):
            blocking.find("dad", shards=shards)
    for each in [later, later, AsyncFinder(async_channel)]:
        with pytest.raises(FinderClosedError):
            await each.find("dad", shards=shards)
    finder.close()
    await later.close()


def test_close_without_a_cancel_takes_no_time(module_server: ServerProcess) -> None:
    """Only cancelled RPCs keep the connection open for a while."""
    seconds = []
    for _ in range(3):
        with Finder(module_server.address) as finder:
            finder.find("dad")
            began = time.monotonic()
        seconds.append(time.monotonic() - began)
    assert min(seconds) < 0.15  # the best of them, because a busy machine may delay one


def test_unread_ranges(module_server: ServerProcess) -> None:
    """Leaving the block frees the server and leaves no thread, however many events are unread."""
    threads = threading.active_count()
    query = Query("hashfinder", inferior_distance=8)
    with Finder(module_server.address) as finder, finder.find_range(query, shards=8) as events:
        next(events)
    module_server.wait_until_idle()
    eventually(lambda: threads >= threading.active_count(), "no thread left")


NEWER = Query("c0ffee", scheme=Scheme(encoding=Encoding.HEX))
"""Of a server that may be too old for it, which is asked first."""


@pytest.fixture
def mute() -> Iterator[str]:
    """The address of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def ask(finder: Finder, *, searches: bool) -> object:
    """Search, which begins with an estimate, or estimate."""
    return finder.find(NEWER) if searches else finder.estimate(NEWER)


@pytest.mark.parametrize("searches", [True, False])
def test_closed_while_the_server_is_asked_for_an_estimate(mute: str, *, searches: bool) -> None:
    """The caller in another thread gets the error as well."""
    with ThreadPoolExecutor(1) as pool, Finder(mute) as finder:
        asking = pool.submit(ask, finder, searches=searches)
        time.sleep(0.5)
        finder.close()
        with pytest.raises(FinderClosedError):
            asking.result(10)


@pytest.mark.parametrize("searches", [True, False])
async def test_closed_under_a_task_that_asks_for_an_estimate(mute: str, *, searches: bool) -> None:
    """The task ends with the error; a task that is cancelled is cancelled."""
    for is_closed, expected in ((True, FinderClosedError), (False, asyncio.CancelledError)):
        async with AsyncFinder(mute) as finder:
            asked = finder.find(NEWER) if searches else finder.estimate(NEWER)
            asking = asyncio.ensure_future(asked)
            await asyncio.sleep(0.5)
            if is_closed:
                await finder.close()
            else:
                asking.cancel()
            with pytest.raises(expected):
                await asyncio.wait_for(asyncio.shield(asking), 10)
