"""RPCs on behalf of HTTP requests: bytes in and out, a deadline, and what goes along."""

import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from hashfinder_client.status import RpcStatus
from hashfinder_client.token_file import Metadata, TokenFile
from hashfinder_client.tracing import RpcSpan
from hashfinder_web.http import Request
from hashfinder_web.upstream.channels import ChannelPool
from hashfinder_web.upstream.failure import UNREACHABLE, RpcFailedError, failure_of

Trace: TypeAlias = tuple[tuple[str, str], ...]
"""The headers of W3C's trace context, where there are any."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_STATE = re.compile(r"[\x21-\x7e\x20]{1,512}")
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,32}")
_ON_BEHALF_OF_KEY = "hashfinder-on-behalf-of"
_KERNEL_KEY = "x-hashfinder-kernel"

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """The client that an RPC is made for."""

    client: str
    """Requests of one client share a channel."""
    user: str
    """Who it is for the server, where that trusts us; else empty."""
    request_id: str
    """Names the request in the logs of gateway and server."""
    trace: Trace
    """``traceparent`` and ``tracestate``, where the request has them."""

    @classmethod
    def of(cls, request: Request, *, is_named: bool) -> "Caller":
        """Return who makes `request`.

        A connection is a client, unless the server is given the user's name: that is the address. A
        page may have several connections as one client, or be several clients, by a label of its
        own in ``hashfinder-client``.
        """
        address, port = request.peer
        label = request.headers.get("hashfinder-client", "")
        is_labelled = _LABEL.fullmatch(label) is not None
        user = client = ""  # all share one channel
        if is_named:
            user = f"{address}/{label}" if is_labelled else address
        else:
            client = f"{address} {label}" if is_labelled else f"{address}:{port}"
        given = request.headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        return cls(client, user, request_id, tuple(_trace(request.headers)))

    @property
    def metadata(self) -> Metadata:
        """The metadata of the RPC, without the trace."""
        named = ((_ON_BEHALF_OF_KEY, self.user),) if self.user else ()
        return (("x-request-id", self.request_id), *named)


@dataclass(slots=True)
class Reply:
    """What an RPC that ended with OK says besides its messages."""

    kernel: str = ""
    """The server's kernel; empty if it is not reported."""


class Upstream:
    """Makes RPCs. Each ends with the block, or the task, that it is made in."""

    def __init__(self, pool: ChannelPool, token: TokenFile | None = None) -> None:
        """Store the channels, and the gateway's own token."""
        self._pool = pool
        self._token = token

    async def unary(
        self, method: MethodDescriptor, message: Message, caller: Caller, seconds: float
    ) -> tuple[Message, Reply]:
        """Return the answer to `message`, within `seconds`.

        Raises:
            RpcFailedError: there is none.
        """
        async with self._rpc(method, caller) as (channel, metadata):
            begin = channel.unary_unary(
                _path(method),
                request_serializer=type(message).SerializeToString,
                response_deserializer=GetMessageClass(method.output_type).FromString,
            )
            call = begin(message, timeout=seconds, metadata=metadata)
            try:
                answer = await call
                return answer, Reply(_kernel(await call.trailing_metadata()))
            finally:
                call.cancel()

    async def stream(
        self,
        method: MethodDescriptor,
        message: Message,
        caller: Caller,
        seconds: float,
        reply: Reply,
    ) -> AsyncGenerator[Message]:
        """Yield the messages of a stream, which has a deadline of `seconds`; fill in `reply`.

        Nothing is read ahead: where the caller waits for its own client, so does the server. Close
        it on every way out (`contextlib.aclosing`).

        Raises:
            RpcFailedError: it did not end with OK.
        """
        async with self._rpc(method, caller) as (channel, metadata):
            begin = channel.unary_stream(
                _path(method),
                request_serializer=type(message).SerializeToString,
                response_deserializer=GetMessageClass(method.output_type).FromString,
            )
            call = begin(message, timeout=seconds, metadata=metadata)
            try:
                async for each in call:
                    yield each
                reply.kernel = _kernel(await call.trailing_metadata())
            finally:
                call.cancel()  # a call that is merely dropped continues

    @asynccontextmanager
    async def _rpc(
        self, method: MethodDescriptor, caller: Caller
    ) -> AsyncIterator[tuple[grpc.aio.Channel, Metadata]]:
        """Give the channel and the metadata of one RPC, which is made in the block."""
        try:
            lease = self._pool.acquire(caller.client)
        except ValueError as error:
            _log.error("cannot speak TLS", reason=str(error), request_id=caller.request_id)
            raise RpcFailedError(UNREACHABLE) from None
        span = RpcSpan.begin(method.name)
        ended, renew = RpcStatus(grpc.StatusCode.CANCELLED), False  # where the block is left
        token = () if self._token is None else self._token.metadata()
        # Without a span of ours, what the client sent leads to the server's.
        trace = span.metadata or caller.trace
        try:
            yield lease.channel, (*caller.metadata, *trace, *token)
            ended = RpcStatus(grpc.StatusCode.OK)
        except grpc.aio.AioRpcError as error:
            failure = failure_of(error)
            ended, renew = failure.status, failure.needs_another_channel
            raise RpcFailedError(failure) from None
        finally:
            span.end(ended)
            self._pool.release(lease, renew=renew)


def _path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def _kernel(trailer: grpc.aio.Metadata | None) -> str:
    return str(dict(trailer or ()).get(_KERNEL_KEY, ""))


def _trace(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    parent, state = headers.get("traceparent", ""), headers.get("tracestate", "")
    if not _TRACE_PARENT.fullmatch(parent):
        return []
    found = [("traceparent", parent)]
    if _TRACE_STATE.fullmatch(state):
        found.append(("tracestate", state))
    return found
