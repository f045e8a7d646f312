"""The calls of the command line: a search whose every event comes out of one queue.

Whoever waits for an RPC must stay able to act: to cancel it, to answer a signal, to move a spinner.
So neither call is waited for here. A unary call is a future whose completion goes into the queue; a
stream is read on a thread of its own, message by message, into the same queue. Both end it with one
`Ended`, whatever happens.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from hashfinder_cli.events import Ended, EventQueue
from hashfinder_cli.shards import Leg
from hashfinder_cli.target import BALANCED
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub

_Options: TypeAlias = tuple[tuple[str, int | str], ...]
_CHANNEL_OPTIONS: _Options = (
    # A search that goes on waits by itself; while a channel waits as well, every RPC fails at once.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Finds a peer that is gone without a word. A server with default settings takes more than one
    # ping in 300 s without data for an attack, and would end a long unary call for it.
    ("grpc.keepalive_time_ms", 305_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),  # else it may take a minute
    ("grpc.primary_user_agent", "hashfinder-cli"),
)
_BALANCING_OPTIONS: _Options = (
    # Each RPC goes to the next of the servers that are there. Whenever a connection ends, which the
    # servers see to by its age, the name is looked up again: at most every second, not every 30.
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # Finds a server that is gone without a word, within two such times and the timeout: 40 s. Ours
    # bear a ping every 5 s; any other bears them while it sends messages.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
)


class Call(Protocol):
    """A call under way."""

    def cancel(self) -> object:
        """End the call now; without effect on one that has ended."""


def channel_options(target: str) -> list[tuple[str, int | str]]:
    """Return the options of a channel to `target`, one of the forms of `check_target`."""
    balancing = _BALANCING_OPTIONS if target.startswith(BALANCED) else ()
    return list({**dict(_CHANNEL_OPTIONS), **dict(balancing)}.items())


@contextmanager
def open_channel(server: str) -> Iterator[grpc.Channel]:
    """Give a channel to `server`, closed at the end. The first call connects."""
    with grpc.insecure_channel(server, options=channel_options(server)) as channel:
        yield channel


def start(channel: grpc.Channel, leg: Leg, events: EventQueue, *, streams: bool) -> Call:
    """Start the next RPC of `leg`; its messages and its one `Ended` go into `events`."""
    stub = HashFinderStub(channel)
    begin = _start_stream if streams else _start_unary
    return begin(stub, leg, events)


def ended_of(call: grpc.Call) -> Ended:
    """Return how `call`, which has ended, ended."""
    rich = None
    # A ValueError: the details contradict the status, which then counts alone.
    with suppress(ValueError, DecodeError):
        rich = rpc_status.from_call(call)
    kernel = dict(call.trailing_metadata() or ()).get("x-hashfinder-kernel", "")
    return Ended(call.code(), call.details() or "", rich, str(kernel))


def _start_unary(stub: HashFinderStub, leg: Leg, events: EventQueue) -> Call:
    future = stub.Find.future(leg.pursuit.request(), timeout=leg.pursuit.remaining())

    def deliver() -> None:
        ended = ended_of(future)
        if ended.code is grpc.StatusCode.OK:
            events.put_message(future.result(), leg.number)
        events.put(ended, leg.number)

    future.add_done_callback(lambda _: deliver())
    return future


def _start_stream(stub: HashFinderStub, leg: Leg, events: EventQueue) -> Call:
    call = stub.FindRange(leg.pursuit.request(), timeout=leg.pursuit.remaining())

    def read() -> None:
        try:
            for message in call:
                events.put_message(message, leg.number)
        except grpc.RpcError:
            pass  # Ended tells it.
        finally:
            call.cancel()
            events.put(ended_of(call), leg.number)

    threading.Thread(target=read, name="stream-reader", daemon=True).start()
    return call
