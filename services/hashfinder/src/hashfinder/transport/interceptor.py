"""The interceptor around every RPC, with its order of steps in one place.

`_observe` reports its start and its end, `_translate` turns exceptions into statuses, the handler
runs inside.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any, Protocol

import grpc
import structlog

from hashfinder.domain.errors import AccessDeniedError, Cause
from hashfinder.domain.outcome import Outcome
from hashfinder.runtime.background import background, enter_background
from hashfinder.transport.abandonment import Connections
from hashfinder.transport.adapt import (
    Behaviour,
    GrpcContext,
    Handler,
    Metadata,
    Rpc,
    RpcContext,
    rebuild,
    shape_of,
)
from hashfinder.transport.classify import Deadline, Ending, classify
from hashfinder.transport.patience import Patience
from hashfinder.transport.report import Call, Reports, RpcReporter, RpcTracer
from hashfinder.transport.status import is_expected, reason_of, to_status

REQUEST_ID_KEY = "x-request-id"
KERNEL_KEY = "x-hashfinder-kernel"
_MESSAGE_SECONDS = 30.0
"""How long a client may take to send a message."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class RpcAccess(Protocol):
    """Identifies the client of an RPC."""

    @property
    def identify(self) -> Callable[[str], str]:
        """Returns the client of an anonymous peer."""

    def client_of(self, rpc: Rpc, context: RpcContext) -> str:
        """Return the client; raise an AccessDeniedError if it may not call."""


class RpcInterceptor:
    """Intercepts every RPC of the server."""

    def __init__(
        self,
        reporter: RpcReporter,
        searching: str,
        backend: str,
        access: RpcAccess,
        clock: Callable[[], float] = time.monotonic,
        tracer: RpcTracer | None = None,
    ) -> None:
        """Take where RPCs are reported, the service that searches, and the kernel's name.

        `access` decides who asks, and whether that client may. Clients share the event loop.
        `tracer` makes spans of RPCs; None for none.
        """
        self._access = access
        self._clock = clock
        self._reports = Reports(reporter, searching, tracer)
        self._backend = backend
        self._searching = searching
        self._connections = Connections()
        self._patience = Patience(_MESSAGE_SECONDS)
        self._process = secrets.token_hex(8)
        self._numbers = count(1)

    async def searches_ended(self) -> None:
        """Return when no RPC of the searching service is under way."""
        await self._reports.searches_ended()

    def watch_servers(self) -> None:
        """Note a new server: its connections distinguish a cancel from a lost client."""
        self._connections.watch_servers()

    def hang_up(self) -> None:
        """Note that the server closes its connections from now on."""
        self._connections.hang_up()

    def intercept(self, service: str, method: str, handler: Handler) -> Handler:
        """Return the handler of a method, with all that happens around it."""
        kind, behaviour = shape_of(handler)
        return rebuild(handler, partial(self._observe, Rpc(kind, service, method), behaviour))

    async def _observe(
        self, rpc: Rpc, behaviour: Behaviour, _messages: object, grpc_context: GrpcContext
    ) -> Any:
        enter_background(self._group(rpc.service))
        deadline = Deadline(self._clock(), grpc_context.time_remaining())
        # Once: gRPC makes it anew each time that it is asked, and a hostile client's has thousands
        # of entries.
        reports, metadata = self._reports, tuple(grpc_context.invocation_metadata() or ())
        peer = grpc_context.peer()
        client = self._access.identify(peer)  # until it says who it is
        call = Call(rpc, self._request_id(metadata), peer, client, deadline)
        grpc_context.set_trailing_metadata(self._trailer(call))
        context = RpcContext(
            grpc_context,
            peer,
            metadata,
            partial(reports.received, rpc),
            partial(reports.sent, rpc),
            self._patience,
        )
        reports.started(rpc)
        reports.trace(call, metadata)
        del metadata
        try:
            answer = await self._translate(call, behaviour, context)
        except BaseException as error:
            asyncio.get_running_loop().call_soon(_forget_frames, error)
            if isinstance(error, grpc.aio.AbortError):
                self._end(call, _aborted(context), context.outcome)
            else:
                self._end_abandoned(call, context.outcome)
            raise
        if rpc.type == "unary":
            reports.sent(rpc)
        self._end(call, classify(context.outcome, abandoned=False), context.outcome)
        return answer

    async def _translate(self, call: Call, behaviour: Behaviour, context: RpcContext) -> Any:
        try:
            self._admit(call, context)
            return await behaviour(context)
        except (grpc.aio.AbortError, asyncio.CancelledError):
            raise
        except grpc.aio.InternalError as error:  # a write failed: the client has left
            raise asyncio.CancelledError from error
        except Exception as error:
            context.outcome.record(error)
            if isinstance(error, AccessDeniedError):
                self._reports.denied(reason_of(error))
            if not is_expected(error):
                _log.error("internal error", request_id=call.request_id, exc_info=error)
            if context.done():  # the client has left: there is no status to send
                raise asyncio.CancelledError from error
            try:
                await self._abort(call, context, context.outcome.reason or error)
            except grpc.aio.InternalError as left:
                raise asyncio.CancelledError from left

    def _admit(self, call: Call, context: RpcContext) -> None:
        """Identify the client, and continue in its share of the event loop."""
        try:
            call.client = context.client = self._access.client_of(call.rpc, context)
        finally:  # one that is refused has the share of its address
            context.metadata = ()
            enter_background(self._group(call.rpc.service), call.client)

    async def _abort(self, call: Call, context: RpcContext, reason: Exception) -> None:
        """Send the status of `reason`, what stopped the RPC first."""
        try:
            status = to_status(reason, call.request_id)
        except (TypeError, ValueError) as fault:
            _log.exception("no status for an error", request_id=call.request_id)
            context.outcome = Outcome(fault)
            status = to_status(fault, call.request_id)
        call.reason = reason_of(context.outcome.reason or reason)
        trailer = (*status.trailing_metadata, *self._trailer(call))
        await context.abort(status.code, status.details, trailer)

    def _end(self, call: Call, ending: Ending, outcome: Outcome) -> None:
        call.seconds = self._clock() - call.deadline.began
        self._reports.ended(call, ending, outcome)

    def _end_abandoned(self, call: Call, outcome: Outcome) -> None:
        """Report an RPC that gRPC cancelled, if need be when its connection has been looked up."""
        late = call.deadline.passed(self._clock())
        ending = classify(outcome, abandoned=True, late=late)
        if ending.cause is not Cause.CLIENT_CANCEL or call.rpc.service != self._searching:
            self._end(call, ending, outcome)
            return
        call.seconds = self._clock() - call.deadline.began

        def conclude(connected: bool) -> None:  # noqa: FBT001  # an answer
            ending = classify(outcome, abandoned=True, connected=connected)
            self._reports.ended(call, ending, outcome)

        # In no client's share of the loop.
        background(self._group(call.rpc.service)).run(self._connections.ask, call.peer, conclude)

    def _group(self, service: str) -> str:
        """Return the group in the background of the loop: each has a share of its own."""
        return "searches" if service == self._searching else "administration"

    def _request_id(self, metadata: Metadata) -> str:
        """Return the client's request id if it is valid, or a new one."""
        for key, value in metadata:
            if key == REQUEST_ID_KEY and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
                return value
        return f"{self._process}{next(self._numbers):016x}"

    def _trailer(self, call: Call) -> tuple[tuple[str, str], ...]:
        return ((REQUEST_ID_KEY, call.request_id), (KERNEL_KEY, self._backend))


def _aborted(context: RpcContext) -> Ending:
    """Return how an RPC ended that has its status: by its outcome, or by its handler's own code."""
    if context.outcome.reason is not None:
        return classify(context.outcome, abandoned=False)
    return Ending(_status_code(context.code()), None)


def _status_code(code: grpc.StatusCode | int) -> grpc.StatusCode:
    """Return the code that an aio context has, as a number in some versions."""
    for known in grpc.StatusCode:
        if code in (known, known.value[0]):
            return known
    return grpc.StatusCode.UNKNOWN


def _forget_frames(error: BaseException | None) -> None:
    """Drop the tracebacks of an RPC's error, and of those that led to it, when gRPC has had it.

    They lead to frames, and these back to the error: all that the RPC was made of would stay in
    memory until the garbage collector runs.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__context__
