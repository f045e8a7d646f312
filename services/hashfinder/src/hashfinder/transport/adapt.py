"""Adapt handlers of every kind to a coroutine that reads and writes through a context."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from hashfinder.domain.errors import IncompleteRequestError, UndecodableRequestError
from hashfinder.domain.outcome import Outcome
from hashfinder.transport.patience import Patience

_CANCEL_SECONDS = 0.05
"""How long gRPC may take to cancel an RPC whose client has left, after the end of its messages."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
GrpcContext: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Behaviour: TypeAlias = Callable[["RpcContext"], Awaitable[Any]]


Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]


class Rpc(NamedTuple):
    """What is called, in the words of go-grpc-middleware's metrics."""

    type: str
    """``unary``, ``server_stream`` or ``bidi_stream``."""
    service: str
    method: str


class RpcContext:
    """A servicer context that reports its messages, and takes how the RPC's search ended."""

    def __init__(
        self,
        context: GrpcContext,
        peer: str,
        metadata: Metadata,
        received: Callable[[], None],
        sent: Callable[[], None],
        patience: Patience,
    ) -> None:
        """Wrap gRPC's context of `peer`; `received` and `sent` are called for each message.

        `patience` bounds how long the client may take to send one.
        """
        self.metadata = metadata
        """What the client sent with the RPC. It may be large: not kept once it is read."""
        self.outcome = Outcome()
        self.client = ""
        """The client, once it is identified."""
        self._context = context
        self._peer = peer
        self._received = received
        self._sent = sent
        self._patience = patience

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def peer(self) -> str:
        """Return the other end of the connection, which gRPC would look up each time."""
        return self._peer

    async def read(self) -> Any:
        """Return the client's next message.

        Raises:
            IncompleteRequestError: there is none, or none came in time.
            UndecodableRequestError: it is not of the method's request type.
        """
        try:
            message = await self._patience.wait(self._context.read())
        except DecodeError as error:
            text = "the request is not a message of the method's request type"
            raise UndecodableRequestError(text) from error
        except TimeoutError as error:
            text = f"no request message came within {self._patience.seconds:g} s"
            raise IncompleteRequestError(text) from error
        if message is grpc.aio.EOF:
            await asyncio.sleep(_CANCEL_SECONDS)  # gRPC also says so when the client has left
            text = "the RPC has no complete request message"
            raise IncompleteRequestError(text)
        self._received()
        return message

    async def messages(self) -> AsyncGenerator[Any, None]:
        """Yield the client's messages; end with the last, or when the next takes too long."""
        while True:
            try:
                message = await self.read()
            except IncompleteRequestError:
                return
            yield message

    async def write(self, message: object) -> None:
        """Send a message; wait until the client's window has room for it."""
        await self._context.write(message)
        self._sent()


def shape_of(handler: Any) -> tuple[str, Behaviour]:
    """Return a handler's RPC type, and what it does, as a coroutine function of the context.

    It returns the response of a unary RPC; it writes those of a stream.
    """
    if not handler.response_streaming:
        return "unary", _unary(handler.unary_unary)
    if not handler.request_streaming:
        return "server_stream", _stream(handler.unary_stream)
    return "bidi_stream", _bidi(handler.stream_stream)


def rebuild(handler: Any, behaviour: Callable[[Any, GrpcContext], Awaitable[Any]]) -> Handler:
    """Return a handler like `handler` whose behaviour reads the messages itself.

    So gRPC hands it over before they came. Else a client whose message never comes, comes cut or
    does not decode would be waited for without a bound, and answered with the decoder's text.
    """
    make: Callable[..., Handler] = (
        grpc.stream_stream_rpc_method_handler
        if handler.response_streaming
        else grpc.stream_unary_rpc_method_handler
    )
    return make(behaviour, handler.request_deserializer, handler.response_serializer)


def _unary(handle: Callable[..., Any]) -> Behaviour:
    async def behaviour(context: RpcContext) -> Any:
        return await handle(await context.read(), context)

    return behaviour


def _stream(handle: Callable[..., Any]) -> Behaviour:
    async def behaviour(context: RpcContext) -> None:
        await _written(handle(await context.read(), context), context)

    return behaviour


def _bidi(handle: Callable[..., Any]) -> Behaviour:
    async def behaviour(context: RpcContext) -> None:
        async with aclosing(context.messages()) as messages:
            await _written(handle(messages, context), context)

    return behaviour


async def _written(answer: Any, context: RpcContext) -> None:
    """Write what an asynchronous generator yields, or let a coroutine write by itself.

    The generator ends with the RPC: one that is left to the collector closes in a task of its own,
    which the end of the process may destroy.
    """
    if isinstance(answer, AsyncGenerator):
        async with aclosing(answer):
            async for message in answer:
                await context.write(message)
    else:
        await answer
