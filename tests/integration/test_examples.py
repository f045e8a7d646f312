"""The examples behave as docs/cancellation.md says: every way to stop frees the server."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from examples.cancelling_clients import (
    find_in_steps,
    stopped_by_signals,
    stream_async,
    stream_through_queue,
)
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.server_process import RunServer, ServerProcess, eventually

EASY = HashNameRequest(desired_name="abc", interesting_hamming_distance=1)
HOPELESS = HashNameRequest(desired_name="abcdefghijklmnop", interesting_hamming_distance=12)


@pytest.fixture(scope="module")
def server(run_server: RunServer) -> Iterator[ServerProcess]:
    """A server that all examples share."""
    with run_server() as running:
        yield running


def never() -> bool:
    """The stop condition that is never met."""
    return False


def is_free(server: ServerProcess) -> None:
    """Wait until the server is idle."""
    eventually(lambda: server.metric("hashfinder_searches_active") == 0, "no search is under way")


def test_unary_in_steps_finds(server: ServerProcess) -> None:
    """A unary call that is waited for in steps returns its result."""
    with server.stub() as stub:
        assert "abc" in find_in_steps(stub, EASY, never).hashed_name.lower()


def test_unary_in_steps_is_cancelled(server: ServerProcess) -> None:
    """It ends soon after the stop is requested, and the server is free."""
    until = time.monotonic() + 0.5
    with server.stub() as stub:
        with pytest.raises(grpc.FutureCancelledError):
            find_in_steps(stub, HOPELESS, lambda: time.monotonic() > until)
        is_free(server)


def test_unary_in_steps_fails_as_the_server_says(server: ServerProcess) -> None:
    """The server's error is raised unchanged."""
    with server.stub() as stub, pytest.raises(grpc.RpcError) as raised:
        find_in_steps(stub, HashNameRequest(), never)
    error: Any = raised.value  # also a Call, which its type does not say
    assert grpc.StatusCode.INVALID_ARGUMENT == error.code()


def test_stream_through_queue_gives_all(server: ServerProcess) -> None:
    """The queue loses nothing and ends with the stream."""
    with server.stub() as stub:
        expected = list(stub.FindRange(EASY))
        assert expected == list(stream_through_queue(stub, EASY, never))


def test_stream_through_queue_stops_while_nothing_comes(server: ServerProcess) -> None:
    """A silent stream can be stopped as well."""
    silent = HashNameRequest(desired_name="abcdefghijklmnop")
    until = time.monotonic() + 0.5
    with server.stub() as stub:
        assert [] == list(stream_through_queue(stub, silent, lambda: time.monotonic() > until))
        is_free(server)


def test_stream_through_queue_may_be_left(server: ServerProcess) -> None:
    """Leaving the loop frees the server, once the generator is closed."""
    with server.stub() as stub:
        with contextlib.closing(stream_through_queue(stub, HOPELESS, never)) as messages:
            next(messages)
        is_free(server)


def test_stream_through_queue_fails_as_the_server_says(server: ServerProcess) -> None:
    """The server's error is raised in the loop."""
    with server.stub() as stub, pytest.raises(grpc.RpcError):
        list(stream_through_queue(stub, HashNameRequest(), never))


def test_signal_stops_a_search(server: ServerProcess) -> None:
    """The first signal stops the search; afterwards the previous handlers are restored."""
    before = signal.getsignal(signal.SIGUSR1)
    with server.stub() as stub:
        with stopped_by_signals(signal.SIGUSR1) as stopped:
            os.kill(os.getpid(), signal.SIGUSR1)
            with pytest.raises(grpc.FutureCancelledError):
                find_in_steps(stub, HOPELESS, stopped.is_set)
        is_free(server)
    assert before is signal.getsignal(signal.SIGUSR1)


async def test_async_stream_may_be_left(server: ServerProcess) -> None:
    """Leaving an asynchronous stream frees the server, once it is closed."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = HashFinderStub(channel)
        async with contextlib.aclosing(stream_async(stub, HOPELESS, 30)) as messages:
            assert 12 >= (await anext(messages)).hamming_distance
        is_free(server)


async def test_async_stream_has_a_deadline(server: ServerProcess) -> None:
    """The deadline ends it in the client and in the server."""
    silent = HashNameRequest(desired_name="abcdefghijklmnop")
    async with grpc.aio.insecure_channel(server.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            [message async for message in stream_async(HashFinderStub(channel), silent, 0.5)]
        assert grpc.StatusCode.DEADLINE_EXCEEDED == raised.value.code()
        is_free(server)
