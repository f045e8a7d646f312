"""`AsyncFinder`: the client for asyncio."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Self

import grpc

from hashfinder_client.channel import LINGER, connect_async
from hashfinder_client.estimation import check_server_async, estimate_async
from hashfinder_client.events import Match, SearchEvent
from hashfinder_client.query import Query
from hashfinder_client.renewable_channel import RenewableChannel
from hashfinder_client.retry import RetryPolicy
from hashfinder_client.search_runner import SearchRunner
from hashfinder_client.settings import DEFAULT_PROGRESS_INTERVAL, DEFAULT_TIMEOUT, FinderSettings
from hashfinder_client.tls import Tls
from hashfinder_client.token_file import TokenFile
from hashfinder_proto.hash_name_pb2 import SearchEstimate


class AsyncFinder:
    """Searches in the event loop in which it is made; as `Finder` otherwise."""

    def __init__(
        self,
        target: str | grpc.aio.Channel,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        policy: RetryPolicy | None = None,
        progress_interval: float = DEFAULT_PROGRESS_INTERVAL,
        tls: Tls | None = None,
        token_file: str | os.PathLike[str] | None = None,
    ) -> None:
        """Connect with the first search. The arguments are those of `Finder`."""
        self._settings = FinderSettings(
            timeout=timeout, policy=policy or RetryPolicy(), progress_interval=progress_interval
        )
        self._channel = RenewableChannel(
            target, connect_async, tls, None if token_file is None else TokenFile(token_file)
        )
        self._runners: set[SearchRunner] = set()
        self._cancelled_at = -LINGER

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def close(self) -> None:
        """End the searches under way with a `FinderClosedError`, and close what it opened."""
        for runner in self._runners:
            runner.stop()
        channels = self._channel.close()
        if channels:
            await asyncio.sleep(max(0.0, self._cancelled_at + LINGER - time.monotonic()))
        for channel in channels:
            await channel.close()

    async def estimate(
        self,
        query: Query | str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as in Finder
    ) -> SearchEstimate:
        """Return how probable a result is, as `Finder.estimate` does."""
        whole = Query(query) if isinstance(query, str) else query
        return await estimate_async(self._channel, whole, self._settings.timeout_of(timeout))

    async def find(
        self,
        query: Query | str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as in Finder
        shards: int | None = None,
    ) -> Match:
        """Return the first result within the query's ideal distance, as `Finder.find` does."""
        match: SearchEvent | None = None
        async with self.find_range(query, timeout=timeout, shards=shards) as events:
            async for event in events:
                match = event
        assert isinstance(match, Match)  # noqa: S101 - the events end with it, or raise
        return match

    @asynccontextmanager
    async def find_range(
        self,
        query: Query | str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as in Finder
        shards: int | None = None,
    ) -> AsyncIterator[AsyncIterator[SearchEvent]]:
        """Give an iterator of all that happens, as `Finder.find_range` does.

        The RPCs are cancelled where the block is left, also when the task is cancelled.
        """
        search = self._settings.begin(query, timeout, shards)
        await check_server_async(self._channel, search.query, self._settings.timeout_of(timeout))
        runner = SearchRunner(self._channel, search)
        self._runners.add(runner)
        try:
            async with aclosing(runner.events()) as events:
                yield events
        finally:
            if await runner.close():
                self._cancelled_at = time.monotonic()
            self._runners.discard(runner)
