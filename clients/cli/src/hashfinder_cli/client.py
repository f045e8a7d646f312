"""The calls of the command line: a search whose every event comes out of one queue.

Whoever waits for an RPC must stay able to act: to cancel it, to answer a signal, to move a spinner.
So neither call is waited for here. A unary call is a future whose completion goes into the queue; a
stream is read on a thread of its own, message by message, into the same queue. Both end it with one
`RpcStatus`, whatever happens.
"""

import threading
from typing import Protocol

import grpc

from hashfinder_cli.events import EventQueue
from hashfinder_client.sharded_search import RangeSearch
from hashfinder_client.status import RpcStatus
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub


class Call(Protocol):
    """A call under way."""

    def cancel(self) -> object:
        """End the call now; without effect on one that has ended."""


def start(channel: grpc.Channel, leg: RangeSearch, events: EventQueue, *, streams: bool) -> Call:
    """Start the next RPC of `leg`; its messages and its one `RpcStatus` go into `events`."""
    stub = HashFinderStub(channel)
    begin = _start_stream if streams else _start_unary
    return begin(stub, leg, events)


def _start_unary(stub: HashFinderStub, leg: RangeSearch, events: EventQueue) -> Call:
    future = stub.Find.future(leg.search.request(), timeout=leg.search.remaining())

    def deliver() -> None:
        ended = RpcStatus.of(future)
        if ended.code is grpc.StatusCode.OK:
            events.put_message(future.result(), leg.number)
        events.put(ended, leg.number)

    future.add_done_callback(lambda _: deliver())
    return future


def _start_stream(stub: HashFinderStub, leg: RangeSearch, events: EventQueue) -> Call:
    call = stub.FindRange(leg.search.request(), timeout=leg.search.remaining())

    def read() -> None:
        try:
            for message in call:
                events.put_message(message, leg.number)
        except grpc.RpcError:
            pass  # RpcStatus tells it.
        finally:
            call.cancel()
            events.put(RpcStatus.of(call), leg.number)

    threading.Thread(target=read, name="stream-reader", daemon=True).start()
    return call
