"""What happens around every RPC, in one visible order.

`_observe` counts and logs, `_translate` turns exceptions into statuses, the handler runs inside.
All handlers become coroutines that write to the context: an async generator that is cancelled at
its ``yield`` would be closed later, in another task.
"""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError

from hashfinder.domain.errors import AbandonedError, Cause, StoppedError, UndecodableRequestError
from hashfinder.runtime.background import background, enter_background
from hashfinder.transport.abandonment import Connections, deadline_passed
from hashfinder.transport.status import is_expected, to_status

REQUEST_ID_KEY = "x-request-id"
KERNEL_KEY = "x-hashfinder-kernel"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_MaybeHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
_GrpcContext: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Rpc(NamedTuple):
    """What is called, in the words of go-grpc-middleware's metrics."""

    type: str
    """``unary``, ``server_stream`` or ``bidi_stream``."""
    service: str
    method: str


class RpcReporter(Protocol):
    """Is told what happens to RPCs, on the event loop."""

    def started(self, rpc: Rpc) -> None:
        """An RPC began."""

    def received(self, rpc: Rpc) -> None:
        """A message came in."""

    def sent(self, rpc: Rpc) -> None:
        """A message went out."""

    def handled(self, rpc: Rpc, code: grpc.StatusCode, seconds: float) -> None:
        """An RPC ended with `code`, after `seconds`."""

    def stopped(self, rpc: Rpc, cause: Cause) -> None:
        """An RPC's search was stopped, or refused, for `cause`. At most once for each RPC."""


@dataclass
class _Call:
    """One RPC under way, and how it ends."""

    rpc: Rpc
    context: "_Context"
    request_id: str
    trailer: tuple[tuple[str, str], ...]
    initial_remaining: float | None
    peer: str
    code: grpc.StatusCode = grpc.StatusCode.OK
    cause: Cause | None = None
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0


class _Undecodable:
    """Stands for a request whose bytes are no message of its type."""


class _Context:
    """A servicer context that counts the messages it writes."""

    def __init__(self, context: _GrpcContext, sent: Callable[[], None]) -> None:
        self._context = context
        self._sent = sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, message: object) -> None:
        await self._context.write(message)
        self._sent()


class RpcInterceptor(grpc.aio.ServerInterceptor):
    """Surrounds every handler of the server."""

    def __init__(
        self,
        reporter: RpcReporter,
        searching: str,
        backend: str,
        identify: Callable[[str], str],
    ) -> None:
        """Take who is told, the service whose stops are counted by cause, the kernel's name.

        `identify` returns the client of a peer: clients share the event loop.
        """
        self._reporter = reporter
        self._identify = identify
        self._backend = backend
        self._searching = searching
        self._connections = Connections()
        self._surrounded: dict[str, _Handler] = {}  # by the path of the method
        self._searches = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def searches_ended(self) -> None:
        """Return when no RPC of the searching service is under way."""
        await self._idle.wait()

    def hang_up(self) -> None:
        """Be told that the server closes its connections from now on."""
        self._connections.hang_up()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_MaybeHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _MaybeHandler:
        """Return the method's handler, surrounded; None for an unknown method."""
        path = handler_call_details.method
        enter_background(self._group(path.removeprefix("/").partition("/")[0]))
        if path not in self._surrounded:
            handler = await continuation(handler_call_details)
            if handler is None:  # gRPC answers UNIMPLEMENTED
                return None
            self._surrounded[path] = self._surround(path, handler)
        return self._surrounded[path]

    def _surround(self, path: str, handler: _Handler) -> _Handler:
        service, method = path.removeprefix("/").split("/")
        kind, handle, rebuild = _shape(handler)
        return rebuild(
            self._around(Rpc(kind, service, method), handle),
            _tolerant(handler.request_deserializer),
            handler.response_serializer,
        )

    def _around(self, rpc: Rpc, handle: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        async def behaviour(request: Any, grpc_context: _GrpcContext) -> Any:
            peer = grpc_context.peer()
            enter_background(self._group(rpc.service), self._identify(peer))
            request_id = _request_id(grpc_context)
            trailer = ((REQUEST_ID_KEY, request_id), (KERNEL_KEY, self._backend))
            grpc_context.set_trailing_metadata(trailer)
            context = _Context(grpc_context, lambda: self._reporter.sent(rpc))
            remaining = grpc_context.time_remaining()
            call = _Call(rpc, context, request_id, trailer, remaining, peer)
            return await self._observe(call, lambda: self._translate(call, handle, request))

        return behaviour

    async def _observe(self, call: _Call, proceed: Callable[[], Awaitable[Any]]) -> Any:
        self._reporter.started(call.rpc)
        self._count(call.rpc, 1)
        try:
            return await proceed()
        except BaseException as error:
            asyncio.get_running_loop().call_soon(_forget_frames, error)
            raise
        finally:
            call.seconds = time.monotonic() - call.began
            if call.cause is Cause.CLIENT_CANCEL:  # or a lost connection: known when we have ended
                concluding = background(self._group(call.rpc.service))  # no client's share
                conclude = partial(self._conclude_abandoned, call)
                concluding.run(self._connections.ask, call.peer, conclude)
            else:
                self._conclude(call)

    def _conclude_abandoned(self, call: _Call, is_connected: bool) -> None:  # noqa: FBT001  # an answer
        if not is_connected:
            call.cause = Cause.DISCONNECT
        self._conclude(call)

    def _conclude(self, call: _Call) -> None:
        self._count(call.rpc, -1)
        self._reporter.handled(call.rpc, call.code, call.seconds)
        if call.cause is not None:
            self._reporter.stopped(call.rpc, call.cause)
        log = _log.info if call.rpc.service == self._searching else _log.debug
        log(
            "rpc ended",
            method=call.rpc.method,
            code=call.code.name,
            cause=call.cause,
            seconds=round(call.seconds, 6),
            peer=call.peer,
            request_id=call.request_id,
        )

    def _group(self, service: str) -> str:
        """Return the group in the background of the loop: each has a share of its own."""
        return "searches" if service == self._searching else "administration"

    def _count(self, rpc: Rpc, change: int) -> None:
        if rpc.service == self._searching:
            self._searches += change
            if self._searches:
                self._idle.clear()
            else:
                self._idle.set()

    async def _translate(self, call: _Call, handle: Callable[..., Any], request: object) -> Any:
        try:
            return await self._handle(call, handle, request)
        except grpc.aio.AbortError:
            call.code = _status_code(call.context.code())
            raise
        except asyncio.CancelledError as cancelled:
            self._abandoned(call, cancelled.__cause__)
            raise
        except grpc.aio.InternalError as error:  # a write failed: nobody reads any more
            self._abandoned(call, error.__cause__)
            raise asyncio.CancelledError from error
        except Exception as error:
            if call.context.done():
                if not is_expected(error):
                    _log.warning("error after the end", request_id=call.request_id, exc_info=error)
                self._abandoned(call, error)
                raise asyncio.CancelledError from error
            await self._abort(call, error)

    async def _handle(self, call: _Call, handle: Callable[..., Any], request: object) -> Any:
        await asyncio.sleep(0)  # from here on it takes the share of its client
        if isinstance(request, _Undecodable):
            message = "the request is not a message of the method's request type"
            raise UndecodableRequestError(message)
        if call.rpc.type == "bidi_stream":
            answer = handle(self._counted(call.rpc, request), call.context)
        else:
            self._reporter.received(call.rpc)
            answer = handle(request, call.context)
        if isinstance(answer, AsyncIterator):
            async for message in answer:
                await call.context.write(message)
            return None
        message = await answer
        if call.rpc.type == "unary":
            self._reporter.sent(call.rpc)
        return message

    async def _counted(self, rpc: Rpc, requests: Any) -> AsyncIterator[Any]:
        async for request in requests:
            self._reporter.received(rpc)
            yield request

    def _abandoned(self, call: _Call, earlier: BaseException | None) -> None:
        """Note why gRPC cancelled the RPC, unless its search had a reason to stop before."""
        call.code = grpc.StatusCode.CANCELLED
        if call.rpc.service != self._searching:
            return
        if isinstance(earlier, StoppedError):
            call.cause = earlier.cause
        else:
            call.cause = AbandonedError.cause
        if call.cause is AbandonedError.cause and deadline_passed(
            call.context.time_remaining(), call.initial_remaining
        ):
            call.cause = Cause.DEADLINE
            call.code = grpc.StatusCode.DEADLINE_EXCEEDED

    async def _abort(self, call: _Call, error: Exception) -> None:
        if isinstance(error, StoppedError):
            call.cause = error.cause
        elif not is_expected(error):
            _log.error("internal error", request_id=call.request_id, exc_info=error)
        try:
            status = to_status(error, call.request_id)
        except (TypeError, ValueError) as fault:
            _log.exception("no status for an error", request_id=call.request_id)
            status = to_status(fault, call.request_id)
        call.code = status.code
        trailer = (*status.trailing_metadata, *call.trailer)
        await call.context.abort(status.code, status.details, trailer)


def _shape(handler: Any) -> tuple[str, Callable[..., Any], Callable[..., _Handler]]:
    """Return a handler's RPC type, its behaviour, and what makes such a handler."""
    if not handler.response_streaming:
        return "unary", handler.unary_unary, grpc.unary_unary_rpc_method_handler
    if not handler.request_streaming:
        return "server_stream", handler.unary_stream, grpc.unary_stream_rpc_method_handler
    return "bidi_stream", handler.stream_stream, grpc.stream_stream_rpc_method_handler


def _forget_frames(error: BaseException | None) -> None:
    """Drop the tracebacks of an RPC's error, and of those that led to it, when gRPC has had it.

    They lead to frames, and these back to the error: all that the RPC was made of would stay in
    memory until the garbage collector comes by.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__context__


def _request_id(context: _GrpcContext) -> str:
    """Return the id that the client gave, where it is fit for a log, or a new one."""
    given = dict(context.invocation_metadata() or ()).get(REQUEST_ID_KEY, "")
    if isinstance(given, str) and _REQUEST_ID.fullmatch(given):
        return given
    return secrets.token_hex(16)


def _tolerant(
    deserialize: Callable[[bytes], Any] | None,
) -> Callable[[bytes], Any] | None:
    """Return a deserializer that never fails: gRPC would answer UNKNOWN with the failure's text."""
    if deserialize is None:
        return None

    def tolerant(serialized: bytes) -> Any:
        try:
            return deserialize(serialized)
        except DecodeError:
            return _Undecodable()

    return tolerant


def _status_code(code: grpc.StatusCode | int) -> grpc.StatusCode:
    """Return the code that an aio context tells, as a number in some versions."""
    for known in grpc.StatusCode:
        if code in (known, known.value[0]):
            return known
    return grpc.StatusCode.UNKNOWN
