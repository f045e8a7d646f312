"""The calls of the command line: a search whose every event comes out of one queue.

Whoever waits for an RPC must stay able to act: to cancel it, to answer a signal, to move a spinner.
So neither call is waited for here. A unary call is a future whose completion goes into the queue; a
stream is read on a thread of its own, message by message, into the same queue. Both end it with one
`Ended`, whatever happens.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from hashfinder_cli.events import Ended, EventQueue
from hashfinder_cli.pursuit import Pursuit
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub

CHANNEL_OPTIONS = (
    # A retry would search the same range again.
    ("grpc.enable_retries", 0),
    # A search that goes on waits by itself; while a channel waits as well, every RPC fails at once.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Finds a peer that is gone without a word. A server with default settings takes more than one
    # ping in 300 s without data for an attack, and would end a long unary call for it.
    ("grpc.keepalive_time_ms", 305_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.primary_user_agent", "hashfinder-cli"),
)


class Call(Protocol):
    """A call under way."""

    def cancel(self) -> object:
        """End the call now; without effect on one that has ended."""


@contextmanager
def open_channel(server: str) -> Iterator[grpc.Channel]:
    """Give a channel to `server` (HOST:PORT), closed at the end. The first call connects."""
    with grpc.insecure_channel(server, options=CHANNEL_OPTIONS) as channel:
        yield channel


def start(channel: grpc.Channel, pursuit: Pursuit, events: EventQueue, *, streams: bool) -> Call:
    """Start the next RPC of `pursuit`; its messages and its one `Ended` go into `events`."""
    stub = HashFinderStub(channel)
    begin = _start_stream if streams else _start_unary
    return begin(stub, pursuit, events)


def ended_of(call: grpc.Call) -> Ended:
    """Return how `call`, which has ended, ended."""
    rich = None
    # A ValueError: the details contradict the status, which then counts alone.
    with suppress(ValueError, DecodeError):
        rich = rpc_status.from_call(call)
    kernel = dict(call.trailing_metadata() or ()).get("x-hashfinder-kernel", "")
    return Ended(call.code(), call.details() or "", rich, str(kernel))


def _start_unary(stub: HashFinderStub, pursuit: Pursuit, events: EventQueue) -> Call:
    future = stub.Find.future(pursuit.request(), timeout=pursuit.remaining())

    def deliver() -> None:
        ended = ended_of(future)
        if ended.code is grpc.StatusCode.OK:
            events.put_message(future.result())
        events.put(ended)

    future.add_done_callback(lambda _: deliver())
    return future


def _start_stream(stub: HashFinderStub, pursuit: Pursuit, events: EventQueue) -> Call:
    call = stub.FindRange(pursuit.request(), timeout=pursuit.remaining())

    def read() -> None:
        try:
            for message in call:
                events.put_message(message)
        except grpc.RpcError:
            pass  # Ended tells it.
        finally:
            call.cancel()
            events.put(ended_of(call))

    threading.Thread(target=read, name="stream-reader", daemon=True).start()
    return call
