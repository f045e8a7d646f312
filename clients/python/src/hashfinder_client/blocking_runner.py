"""The RPCs of one search, each read by a thread of its own, for a caller that blocks."""

import threading
import time
from collections.abc import Generator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeAlias

import grpc

from hashfinder_client.channel import GRACE, PROBE, READ_AHEAD, TURN
from hashfinder_client.errors import FinderClosedError
from hashfinder_client.events import SearchEvent
from hashfinder_client.renewable_channel import RenewableChannel
from hashfinder_client.sharded_search import RangeSearch, ShardedSearch
from hashfinder_client.status import RpcStatus
from hashfinder_client.tracing import RpcSpan
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse

_Arrival: TypeAlias = HashNameResponse | RpcStatus | Exception


class BlockingRunner:
    """Makes the RPCs of a `ShardedSearch`. Its owner must `close` it on every way out."""

    def __init__(self, channel: RenewableChannel[grpc.Channel], search: ShardedSearch) -> None:
        """Begin with the first event that is asked for; the channel remains the caller's."""
        self._channel = channel
        self._search = search
        self._calls: dict[int, _RpcThread] = {}
        self._arrived: SimpleQueue[tuple[int, _Arrival]] = SimpleQueue()
        self._room = threading.Semaphore(READ_AHEAD)

    def events(self) -> Generator[SearchEvent]:
        """Yield all that happens, as `SearchRunner.events` does, and raise the same."""
        while True:
            for part in self._search.begin():
                self._start(part)
            for call in self._calls.values():
                call.check_silence()
            try:
                number, event = self._next(TURN)
            except Empty:
                continue
            happened = self._search.accept(number, event)
            for surplus in self._search.surplus():
                if thread := self._calls.get(surplus):
                    thread.cancel()
            if self._search.found:
                # The RPC ends by itself, as OK, before its caller can leave and so cancel it.
                for thread in self._calls.values():
                    thread.join(GRACE)
            yield from happened
            if self._search.found:
                return

    def stop(self) -> None:
        """Let `events` raise a FinderClosedError, from any thread."""
        self._arrived.put((_NO_CALL, FinderClosedError(self._search.next_position)))

    def close(self) -> bool:
        """Cancel the RPCs that are under way, if any; return whether there were."""
        late = [thread for thread in self._calls.values() if thread.is_alive()]
        for thread in late:
            thread.cancel()
        self._room.release(READ_AHEAD + len(late))  # None waits for room any more.
        for thread in late:
            thread.join(GRACE)
        return bool(late)

    def _start(self, part: RangeSearch) -> None:
        request, timeout = part.search.request(), part.search.remaining()
        channel = self._channel.acquire()
        try:
            # A stub registers its methods, and that crashes on a channel that was closed meanwhile.
            find_range = channel.unary_stream(
                _FIND_RANGE, HashNameRequest.SerializeToString, HashNameResponse.FromString
            )
            span = RpcSpan.begin("FindRange")
            metadata = (*self._channel.metadata, *span.metadata)
            call = find_range(request, timeout=timeout, metadata=metadata)
        except ValueError as error:  # The channel is closed.
            self._channel.release(channel, renew=False)
            raise FinderClosedError(self._search.next_position) from error
        thread = _RpcThread(call, span, part, self._arrived, self._room, self._channel, channel)
        self._calls[part.number] = thread
        thread.start()

    def _next(self, patience: float) -> tuple[int, HashNameResponse | RpcStatus]:
        number, event = self._arrived.get(timeout=patience)
        if isinstance(event, HashNameResponse):
            self._room.release()
        else:
            self._calls.pop(number, None)
        if isinstance(event, Exception):
            raise event
        return number, event


class _RpcThread(threading.Thread):
    """Reads one RPC; its messages and then its one status arrive, also if it is cancelled."""

    def __init__(
        self,
        call: "_Call",
        span: RpcSpan,
        part: RangeSearch,
        arrived: SimpleQueue[tuple[int, _Arrival]],
        room: threading.Semaphore,
        renewable: RenewableChannel[grpc.Channel],
        channel: grpc.Channel,
    ) -> None:
        super().__init__(name="hashfinder-rpc", daemon=True)
        self._call = call
        self._span = span
        self._number = part.number
        self._patience = part.search.patience
        self._has_reported = part.search.knows_reports
        self._waits_since: float | None = time.monotonic()
        """Since when the next message, or the answer to a probe, is waited for; None if it came."""
        self._is_silent = False
        self._probe: grpc.Future[bytes] | None = None
        self._arrived = arrived
        self._room = room
        self._renewable = renewable
        self._channel = channel
        self._is_cancelled = False

    def cancel(self) -> None:
        self._is_cancelled = True
        self._call.cancel()

    def check_silence(self) -> None:
        """Give the RPC up, if its server is silent for too long; probe one that need not speak."""
        since, patience = self._waits_since, self._patience
        if since is None or time.monotonic() - since <= patience:
            return
        if self._has_reported:
            self._is_silent = True
            self._call.cancel()
            return
        with suppress(ValueError):  # The channel is closed.
            self._probe = self._channel.unary_unary(PROBE, bytes, bytes).future(
                b"", timeout=patience
            )
        self._waits_since = time.monotonic()

    def run(self) -> None:
        try:
            for message in self._call:
                self._waits_since = None
                # A server that knows of reports has to send more of them.
                self._has_reported |= message.HasField("progress")
                self._room.acquire()
                self._arrived.put((self._number, message))
                self._waits_since = time.monotonic()
        except grpc.RpcError:
            pass  # The call itself knows how it ended.
        finally:
            self._call.cancel()
        ended = RpcStatus.of(self._call)
        if self._is_silent and not self._is_cancelled:
            ended = RpcStatus.silent(self._patience)
        status = self._renewable.annotated(ended)
        self._span.end(status)
        renew = status.calls_for_another_channel and not self._is_cancelled
        left = self._renewable.release(self._channel, renew=renew)
        self._arrived.put((self._number, status))
        if left:
            left.close()


_NO_CALL = -1
_FIND_RANGE = "/hash_name.HashFinder/FindRange"
_Call: TypeAlias = "grpc._CallIterator[HashNameResponse]"  # noqa: SLF001 - its public name
