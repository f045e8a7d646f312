"""The RPCs of one search, in the running event loop."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeAlias, cast

import grpc

from hashfinder_client.events import SearchEvent
from hashfinder_client.renewable_channel import RenewableChannel
from hashfinder_client.sharded_search import RangeSearch, ShardedSearch
from hashfinder_client.status import RpcStatus
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub

READ_AHEAD = 64
"""Messages that may wait here. With no limit, a slow reader of stdout would fill memory."""
TURN = 0.1
"""Seconds after which the search is asked again which RPCs are due."""
GRACE = 0.5
"""Seconds that the RPCs have to end after they were cancelled."""
LINGER = 0.2
"""Seconds that the connection outlives a cancelled RPC. While it is there, the server can tell a
cancelled RPC from a lost peer."""


class SearchRunner:
    """Makes the RPCs of a `ShardedSearch` and cancels them on every way out."""

    def __init__(
        self, channel: RenewableChannel[grpc.aio.Channel], search: ShardedSearch, *, streams: bool
    ) -> None:
        """Begin with the first event that is asked for.

        Args:
            channel: remains the caller's.
            search: what is searched for.
            streams: by FindRange; else by Find, for a lone result without progress.
        """
        self.kernel = ""
        """The kernel of the server whose RPC ended last; empty where it does not say."""
        self._channel = channel
        self._search = search
        self._streams = streams
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._arrived: asyncio.Queue[tuple[int, HashNameResponse | RpcStatus]] = asyncio.Queue()
        self._room = asyncio.Semaphore(READ_AHEAD)

    async def events(self) -> AsyncGenerator[SearchEvent]:
        """Yield all that happens, until the ideal result, which is the last event.

        Raises:
            StoppedError: the search ended without it.
            VerificationError: the server sent something that is not true.
        """
        while self._search.found is None:
            for part in self._search.begin():
                self._calls[part.number] = asyncio.create_task(self._call(part))
            try:
                async with asyncio.timeout(TURN):
                    number, event = await self._next()
            except TimeoutError:
                for task in self._calls.values():
                    if task.done():
                        task.result()  # Raises what nobody expected.
                continue
            if isinstance(event, RpcStatus):
                happened = self._search.end(number, event)
            else:
                happened = self._search.take(number, event)
            for surplus in self._search.surplus():
                self._cancel(surplus)
            for each in happened:
                yield each

    async def close(self, grace: float = 0.0) -> None:
        """Let the RPCs end by themselves for `grace` seconds, then cancel them."""
        if not self._calls:
            return
        if grace:
            await asyncio.wait(self._calls.values(), timeout=grace)
        late = [task for task in self._calls.values() if task.cancel()]
        if late:
            await asyncio.wait(late, timeout=GRACE)
            await asyncio.sleep(LINGER)
        while not self._arrived.empty():
            await self._next()

    async def _next(self) -> tuple[int, HashNameResponse | RpcStatus]:
        number, event = await self._arrived.get()
        if isinstance(event, RpcStatus):
            self._calls.pop(number, None)
            self.kernel = event.kernel or self.kernel
        else:
            self._room.release()
        return number, event

    def _cancel(self, number: int) -> None:
        if task := self._calls.get(number):
            task.cancel()

    async def _call(self, part: RangeSearch) -> None:
        """Make one RPC; its messages and then its one status arrive, also if it is cancelled."""
        channel = self._channel.acquire()
        stub = HashFinderStub(channel)
        begin = stub.FindRange if self._streams else stub.Find
        call = begin(part.search.request(), timeout=part.search.remaining())
        try:
            async for message in _messages(call):
                await self._room.acquire()
                self._arrived.put_nowait((part.number, message))
        except (grpc.aio.AioRpcError, asyncio.CancelledError):
            pass  # The call itself knows how it ended.
        finally:
            call.cancel()  # A call that is merely dropped continues.
        status = await _status(call)
        left = self._channel.release(channel, renew=status.calls_for_another_channel)
        self._arrived.put_nowait((part.number, status))
        if left:
            await left.close()


_Call: TypeAlias = (
    grpc.aio.UnaryStreamCall[HashNameRequest, HashNameResponse]
    | grpc.aio.UnaryUnaryCall[HashNameRequest, HashNameResponse]
)


async def _messages(call: _Call) -> AsyncGenerator[HashNameResponse]:
    if isinstance(call, grpc.aio.UnaryStreamCall):
        async for message in call:
            yield message
    else:
        yield await call


async def _status(call: _Call) -> RpcStatus:
    # An error has all that is asked for, in the form of a call that has ended.
    code, trailers, text = await call.code(), await call.trailing_metadata(), await call.details()
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, text)
    return RpcStatus.of(cast("grpc.Call", error))
