"""The queue between threads, signal handlers and the main thread."""

import threading
from queue import Empty

import pytest
from grpc import StatusCode

from hashfinder_cli.events import NO_CALL, READ_AHEAD, EventQueue, Interrupted
from hashfinder_client.status import RpcStatus
from hashfinder_proto.hash_name_pb2 import HashNameResponse


def test_order() -> None:
    """Events come out in the order in which they went in; then there is none."""
    events = EventQueue()
    events.put_message(HashNameResponse(hamming_distance=1), 7)
    events.put(Interrupted(2))
    events.put(RpcStatus(StatusCode.OK), 8)

    assert [
        (7, HashNameResponse(hamming_distance=1)),
        (NO_CALL, Interrupted(2)),
        (8, RpcStatus(StatusCode.OK)),
    ] == [events.get(timeout=0) for _ in range(3)]
    with pytest.raises(Empty):
        events.get(timeout=0)


def test_backpressure() -> None:
    """Messages beyond the read-ahead wait for a reader; a signal still gets in at once."""
    events = EventQueue()
    written = threading.Event()

    def write() -> None:
        for _ in range(READ_AHEAD):
            events.put_message(HashNameResponse(), 0)
        written.set()
        events.put_message(HashNameResponse(), 0)
        events.put(RpcStatus(StatusCode.OK), 0)

    writer = threading.Thread(target=write)
    writer.start()
    assert written.wait(10)
    events.put(Interrupted(2))
    assert writer.is_alive()

    taken = [events.get(timeout=10) for _ in range(READ_AHEAD + 3)]

    writer.join(10)
    assert (NO_CALL, Interrupted(2)) == taken[READ_AHEAD]
    assert [(0, HashNameResponse()), (0, RpcStatus(StatusCode.OK))] == taken[READ_AHEAD + 1 :]
