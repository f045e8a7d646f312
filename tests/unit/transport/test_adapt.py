"""Handlers as coroutines: a generator is closed when its RPC ends, however that happens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from hashfinder.transport.adapt import RpcContext, shape_of
from hashfinder.transport.patience import Patience


class Context:
    """A servicer context whose client sends endless messages and leaves at the first response."""

    async def read(self) -> object:
        """Return a message."""
        return object()

    async def write(self, message: object) -> None:
        """Raise CancelledError, as gRPC does when the client has left."""
        raise asyncio.CancelledError


async def test_generators_are_closed_when_the_rpc_is_cancelled() -> None:
    """The handler's generator and its messages' are closed, not left to the garbage collector."""
    closed: list[str] = []
    kept: list[object] = []

    async def echo(requests: AsyncIterator[object], _context: object) -> AsyncIterator[object]:
        kept.append(requests)
        try:
            async for request in requests:
                yield request
        finally:
            closed.append("handler")

    handler: Any = grpc.stream_stream_rpc_method_handler(echo)
    grpc_context: Any = Context()
    context = RpcContext(grpc_context, "", (), lambda: None, lambda: None, Patience(30))
    shape, behaviour = shape_of(handler)

    with pytest.raises(asyncio.CancelledError):
        await behaviour(context)

    assert "bidi_stream" == shape
    assert ["handler"] == closed
    [messages] = kept
    assert messages.ag_frame is None  # type: ignore[attr-defined]  # it is closed
