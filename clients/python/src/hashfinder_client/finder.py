"""The client for Python programs: `Finder`, and `AsyncFinder` for asyncio.

Both cancel their RPC on every way out, have a deadline unless told otherwise, check every result,
and go on by themselves after a spent budget, a quota, an overload, a drain or a lost connection.
Nothing is skipped on the way, and nothing told twice.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import (
    aclosing,
    asynccontextmanager,
    closing,
    contextmanager,
    suppress,
)
from typing import Self, cast

import grpc

from hashfinder_client.events import SearchEvent
from hashfinder_client.match import Match
from hashfinder_client.query import Query
from hashfinder_client.renewable_channel import RenewableChannel
from hashfinder_client.resumable_search import ResumableSearch
from hashfinder_client.retry import RetryPolicy
from hashfinder_client.status import RpcStatus
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub

DEFAULT_TIMEOUT = 300.0
"""Seconds."""
GRACE = 0.5
"""Seconds that an RPC has to end by itself, and so as OK, before its ideal result is handed on."""


class _Settings:
    """What both finders are made of, but for the I/O."""

    def __init__(
        self, timeout: float, policy: RetryPolicy | None, progress_interval: float
    ) -> None:
        self._timeout = timeout
        self._policy = policy or RetryPolicy()
        self._progress_interval = progress_interval

    def _search(self, query: Query | str, timeout: float | None) -> ResumableSearch:
        return ResumableSearch(
            Query(query) if isinstance(query, str) else query,
            self._policy,
            timeout=self._timeout if timeout is None else timeout,
            progress_interval=self._progress_interval,
        )


class Finder(_Settings):
    """Searches from any thread. A context manager, which closes the channel that it opened."""

    def __init__(
        self,
        target: str | grpc.Channel,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        policy: RetryPolicy | None = None,
        progress_interval: float = 1.0,
    ) -> None:
        """Connect with the first search.

        Args:
            target: HOST:PORT; or dns:///HOST:PORT for all servers of that name, each RPC on the
                next one; or a channel, which remains the caller's.
            timeout: seconds for a search as a whole; `math.inf` for no bound.
            policy: when to go on; by default wherever that is possible.
            progress_interval: seconds between two reports, 0.05 to 3600. A connection that is lost
                costs at most what is searched in this time.

        Raises:
            ValueError: the target is none of these.
        """
        super().__init__(timeout, policy, progress_interval)
        self._channel = RenewableChannel(target, grpc.insecure_channel)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the channel, unless it is the caller's."""
        for channel in self._channel.close():
            channel.close()

    def find(self, query: Query | str, *, timeout: float | None = None) -> Match:
        """Return the first result within the query's ideal distance.

        Args:
            query: what to search for, or just the name.
            timeout: seconds, if not the finder's own.

        Raises:
            StoppedError: it ended without one; the subclass says who acts.
            VerificationError: the server sent something that is not so.
        """
        search = self._search(query, timeout)
        with closing(self._news(search)) as news:
            for _ in news:
                pass
        return cast("Match", search.found)  # The news ends with it, or raises.

    @contextmanager
    def find_range(
        self, query: Query | str, *, timeout: float | None = None
    ) -> Iterator[Iterator[SearchEvent]]:
        """Give an iterator of all that happens; the RPC is cancelled where the block is left.

        It yields each `Match`, `Progress`, and a `Pause` before each further RPC. It ends with the
        first result within the ideal distance, or raises, as `find` does.
        """
        with closing(self._news(self._search(query, timeout))) as news:
            yield news

    def _news(self, search: ResumableSearch) -> Generator[SearchEvent]:
        while True:
            channel = self._channel.acquire()
            call = HashFinderStub(channel).FindRange(search.request(), timeout=search.remaining())
            try:
                for message in call:
                    news = search.take(message)
                    if search.found:
                        _wait_for_end(call)
                        yield news
                        return
                    yield news
            except grpc.RpcError:
                pass  # The call itself tells how it ended.
            finally:
                call.cancel()
                ended = RpcStatus.of(call)
                if left := self._channel.release(channel, renew=ended.calls_for_another_channel):
                    left.close()
            pause = search.end(ended)
            yield pause
            time.sleep(pause.delay)


def _wait_for_end(call: grpc.Call) -> None:
    ended = threading.Event()
    if call.add_callback(ended.set):
        ended.wait(GRACE)


class AsyncFinder(_Settings):
    """Searches in the event loop in which it is made; as `Finder` otherwise."""

    def __init__(
        self,
        target: str | grpc.aio.Channel,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        policy: RetryPolicy | None = None,
        progress_interval: float = 1.0,
    ) -> None:
        """Connect with the first search. The arguments are those of `Finder`."""
        super().__init__(timeout, policy, progress_interval)
        self._channel = RenewableChannel(target, grpc.aio.insecure_channel)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channel, unless it is the caller's."""
        for channel in self._channel.close():
            await channel.close()

    async def find(self, query: Query | str, *, timeout: float | None = None) -> Match:  # noqa: ASYNC109 - as in Finder
        """Return the first result within the query's ideal distance, as `Finder.find` does."""
        search = self._search(query, timeout)
        async with aclosing(self._news(search)) as news:
            async for _ in news:
                pass
        return cast("Match", search.found)  # The news ends with it, or raises.

    @asynccontextmanager
    async def find_range(
        self,
        query: Query | str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as in Finder
    ) -> AsyncIterator[AsyncIterator[SearchEvent]]:
        """Give an iterator of all that happens, as `Finder.find_range` does.

        The RPC is cancelled where the block is left, also when the task is cancelled.
        """
        async with aclosing(self._news(self._search(query, timeout))) as news:
            yield news

    async def _news(self, search: ResumableSearch) -> AsyncGenerator[SearchEvent]:
        while True:
            channel = self._channel.acquire()
            call = HashFinderStub(channel).FindRange(search.request(), timeout=search.remaining())
            ended = RpcStatus(grpc.StatusCode.OK)
            try:
                async for message in call:
                    news = search.take(message)
                    if search.found:
                        with suppress(TimeoutError):
                            await asyncio.wait_for(call.code(), GRACE)
                        yield news
                        return
                    yield news
            except grpc.aio.AioRpcError as error:
                ended = RpcStatus.of(cast("grpc.Call", error))  # It has all that is asked for.
            finally:
                call.cancel()  # A call that is merely dropped goes on.
                if left := self._channel.release(channel, renew=ended.calls_for_another_channel):
                    await left.close()
            pause = search.end(ended)
            yield pause
            await asyncio.sleep(pause.delay)
