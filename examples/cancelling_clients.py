"""How to hold an expensive RPC so that it can be stopped. docs/cancellation.md explains why.

Nothing here depends on HashFinder's own client: take it for any service.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from typing import TYPE_CHECKING

import grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator

    from hashfinder_proto.hash_name_pb2_grpc import HashFinderAsyncStub, HashFinderStub

STEP_SECONDS = 0.1


def find_in_steps(
    stub: HashFinderStub, request: HashNameRequest, stopped: Callable[[], bool]
) -> HashNameResponse:
    """Wait for a unary RPC in bounded steps; cancel it once `stopped` says so.

    Raises:
        grpc.FutureCancelledError: it was cancelled.
        grpc.RpcError: it failed.
    """
    future = stub.Find.future(request)
    try:
        while True:
            try:
                return future.result(timeout=STEP_SECONDS)
            except grpc.FutureTimeoutError:
                if stopped():
                    future.cancel()
    finally:
        future.cancel()  # on every way out; without effect on an RPC that has ended


_END = object()


def stream_through_queue(
    stub: HashFinderStub, request: HashNameRequest, stopped: Callable[[], bool]
) -> Generator[HashNameResponse, None, None]:
    """Read a stream on a thread of its own and yield its messages; end once `stopped` says so.

    A stream's iterator blocks for as long as the server finds nothing. Here the caller waits for a
    queue instead, in bounded steps, and the reader ends what it puts there with a sentinel.

    Raises:
        grpc.RpcError: the stream failed.
    """
    call = stub.FindRange(request)
    messages: queue.SimpleQueue[HashNameResponse | grpc.RpcError | object] = queue.SimpleQueue()

    def read() -> None:
        try:
            for message in call:
                messages.put(message)
        except grpc.RpcError as error:
            messages.put(error)
        finally:
            messages.put(_END)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while not stopped():
            try:
                item = messages.get(timeout=STEP_SECONDS)
            except queue.Empty:
                continue
            if item is _END:
                return
            if isinstance(item, grpc.RpcError):
                raise item
            assert isinstance(item, HashNameResponse)  # noqa: S101  # nothing else is put there
            yield item
    finally:
        call.cancel()  # also when the caller breaks out of its loop
        reader.join()


@contextlib.contextmanager
def stopped_by_signals(*signals: signal.Signals) -> Iterator[threading.Event]:
    """Yield an event that the first of `signals` sets; a second one is fatal, as by default.

    The handler runs in the main thread, between two of its steps: it must not cancel by itself, as
    it may have interrupted the very code that holds the lock it would need.
    """
    event = threading.Event()
    before = {each: signal.getsignal(each) for each in signals}

    def handle(signum: int, _: object) -> None:
        event.set()
        signal.signal(signum, signal.SIG_DFL)

    for each in signals:
        signal.signal(each, handle)
    try:
        yield event
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


async def stream_async(
    stub: HashFinderAsyncStub, request: HashNameRequest, seconds: float
) -> AsyncGenerator[HashNameResponse, None]:
    """Yield the messages of a stream, which has a deadline of `seconds`.

    Close it when you leave early (`contextlib.aclosing`): an asynchronous generator that is only
    dropped runs its `finally` when the garbage collector runs, and until then the server works.
    """
    call = stub.FindRange(request, timeout=seconds)
    try:
        async for message in call:
            yield message
    finally:
        call.cancel()
