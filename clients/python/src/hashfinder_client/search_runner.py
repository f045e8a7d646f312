"""The RPCs of one search, in the running event loop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TypeAlias, cast

import grpc

from hashfinder_client.channel import GRACE, PROBE, READ_AHEAD, TURN
from hashfinder_client.errors import FinderClosedError
from hashfinder_client.events import SearchEvent
from hashfinder_client.renewable_channel import RenewableChannel
from hashfinder_client.resumable_search import ResumableSearch
from hashfinder_client.sharded_search import RangeSearch, ShardedSearch
from hashfinder_client.status import RpcStatus
from hashfinder_client.tracing import RpcSpan
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub


class SearchRunner:
    """Makes the RPCs of a `ShardedSearch`. Its owner must `close` it on every way out."""

    def __init__(
        self,
        channel: RenewableChannel[grpc.aio.Channel],
        search: ShardedSearch,
        *,
        streams: bool = True,
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
        self._arrived: asyncio.Queue[tuple[int, HashNameResponse | RpcStatus | Exception]] = (
            asyncio.Queue()
        )
        self._room = asyncio.Semaphore(READ_AHEAD)

    @property
    def next_position(self) -> int | None:
        """Where to resume the search; None where that is not known, or nothing is left."""
        return self._search.next_position

    async def events(self) -> AsyncGenerator[SearchEvent]:
        """Yield all that happens, until the ideal match, which is the last event.

        Raises:
            StoppedError: the search ended without it.
            VerificationError: the server sent something that is not true.
            FinderClosedError: the channel was closed, or `stop` was called.
        """
        while True:
            for part in self._search.begin():
                self._calls[part.number] = asyncio.create_task(self._call(part))
            try:
                async with asyncio.timeout(TURN):
                    number, event = await self._next()
            except TimeoutError:
                continue
            happened = self._search.accept(number, event)
            for surplus in self._search.surplus():
                if task := self._calls.get(surplus):
                    task.cancel()
            if self._search.found and self._calls:
                # The RPC ends by itself, as OK, before its caller can leave and so cancel it.
                await asyncio.wait(self._calls.values(), timeout=GRACE)
            for each in happened:
                yield each
            if self._search.found:
                return

    def stop(self) -> None:
        """Let `events` raise a FinderClosedError, from elsewhere in the event loop."""
        self._arrived.put_nowait((_NO_CALL, FinderClosedError(self.next_position)))

    async def close(self) -> bool:
        """Cancel the RPCs that are under way, if any; return whether there were."""
        late = [task for task in self._calls.values() if task.cancel()]
        if late:
            await asyncio.wait(late, timeout=GRACE)
        return bool(late)

    async def _next(self) -> tuple[int, HashNameResponse | RpcStatus]:
        number, event = await self._arrived.get()
        if isinstance(event, HashNameResponse):
            self._room.release()
        else:
            self._calls.pop(number, None)
        if isinstance(event, Exception):
            raise event
        return number, event

    async def _call(self, part: RangeSearch) -> None:
        """Make one RPC; its messages and then its one status arrive, also if it is cancelled."""
        try:
            channel = self._channel.acquire()
        except FinderClosedError:
            self.stop()
            return
        end: RpcStatus | Exception
        is_cancelled = False
        silence = None
        span = RpcSpan.begin("FindRange" if self._streams else "Find")
        try:
            call = self._begin(channel, part, span)
            probing = asyncio.create_task(_probe(channel, part.search))
            try:
                patience = part.search.patience
                at_once = part.search.knows_reports
                async for message in _messages(call, patience, at_once=at_once):
                    await self._room.acquire()
                    self._arrived.put_nowait((part.number, message))
            except TimeoutError:
                silence = part.search.patience
            except (grpc.aio.AioRpcError, asyncio.CancelledError):
                # The call itself knows how it ended. If this task is cancelled, so is its call.
                is_cancelled = _is_cancelled()
            finally:
                probing.cancel()
                call.cancel()  # A call that is merely dropped continues.
            status = await _status(call) if silence is None else RpcStatus.silent(silence)
            end = status = self._channel.annotated(status)
            span.end(status)
            self.kernel = status.kernel or self.kernel
            renew = status.calls_for_another_channel and not is_cancelled
        except Exception as error:  # noqa: BLE001 - it is raised where the events are taken
            end, renew = error, False
        self._arrived.put_nowait((part.number, end))
        if left := self._channel.release(channel, renew=renew):
            await left.close()

    def _begin(self, channel: grpc.aio.Channel, part: RangeSearch, span: RpcSpan) -> "_Call":
        stub = HashFinderStub(channel)
        begin = stub.FindRange if self._streams else stub.Find
        try:
            return begin(
                part.search.request(),
                timeout=part.search.remaining(),
                metadata=(*self._channel.metadata, *span.metadata),
            )
        except grpc.aio.UsageError as error:
            raise FinderClosedError(self.next_position) from error


_NO_CALL = -1
_Call: TypeAlias = (
    grpc.aio.UnaryStreamCall[HashNameRequest, HashNameResponse]
    | grpc.aio.UnaryUnaryCall[HashNameRequest, HashNameResponse]
)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _messages(
    call: _Call, patience: float, *, at_once: bool
) -> AsyncGenerator[HashNameResponse]:
    """Yield the messages; raise a TimeoutError where none comes for `patience` seconds.

    That counts `at_once`, or after the first report.
    """
    if not isinstance(call, grpc.aio.UnaryStreamCall):
        yield await call
        return
    messages = aiter(call)
    limit = patience if at_once else None
    while True:
        try:
            async with asyncio.timeout(limit):
                message = await anext(messages)
        except StopAsyncIteration:
            return
        if message.HasField("progress"):  # So it knows of reports: more have to follow.
            limit = patience
        yield message


async def _probe(channel: grpc.aio.Channel, search: ResumableSearch) -> None:
    """Find out that the connection is lost, for as long as the server need not say anything."""
    while not search.knows_reports:
        await asyncio.sleep(search.patience)
        with suppress(grpc.RpcError, grpc.aio.UsageError):  # The latter: the channel is closed.
            await channel.unary_unary(PROBE, bytes, bytes)(b"", timeout=search.patience)


async def _status(call: _Call) -> RpcStatus:
    # An error has all that is asked for, in the form of a call that has ended.
    code, trailers, text = await call.code(), await call.trailing_metadata(), await call.details()
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, text)
    return RpcStatus.of(cast("grpc.Call", error))
