"""What both protocols of the gateway do with a call: bound it, watch its client, report its end."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import grpc
import structlog
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from hashfinder_client.errors import SERVER_DRAINING, SERVER_OVERLOADED
from hashfinder_web.calls import Calls, DrainingError, TooManyCallsError
from hashfinder_web.http import ClientGoneError, Request
from hashfinder_web.upstream.failure import Failure, RpcFailedError
from hashfinder_web.upstream.rpc import Caller, Trace, Upstream

_RETRY_SECONDS = 1

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class CallReporter(Protocol):
    """Gets the ends of calls."""

    def ended(
        self, protocol: str, method: str, code: grpc.StatusCode, seconds: float, *, gone: bool
    ) -> None:
        """A call ended with `code` after `seconds`, or since its client is `gone`."""


class CallSpan(Protocol):
    """The span of one call."""

    def end(self, name: str, code: grpc.StatusCode, reason: str, *, gone: bool) -> None:
        """End it: with the name of the call, and the code and reason of its status."""


class CallTracer(Protocol):
    """Makes a span of each call."""

    def begin(self, headers: Trace, request_id: str) -> CallSpan:
        """Begin the span of a call whose client sent these headers: the parent of its RPCs' spans.

        It must be ended by the same task.
        """


@dataclass(slots=True)
class Call:
    """One call under way."""

    code: grpc.StatusCode = grpc.StatusCode.OK
    reason: str = ""
    gone: bool = False

    def fail(self, failure: Failure) -> None:
        """Note the status that it ended with."""
        self.code, self.reason = failure.code, failure.status.details.reason


class Gateway:
    """Makes the RPCs of requests."""

    def __init__(
        self,
        upstream: Upstream,
        calls: Calls,
        reporter: CallReporter,
        maximum_seconds: float,
        *,
        names_clients: bool = False,
        tracer: CallTracer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take where RPCs are made and reported, and the longest deadline.

        With `names_clients`, the server is given the client's name. `tracer` makes spans of calls;
        None for none.
        """
        self.upstream = upstream
        self.maximum_seconds = maximum_seconds
        self._calls = calls
        self._reporter = reporter
        self._names_clients = names_clients
        self._tracer = tracer
        self._clock = clock

    def caller(self, request: Request) -> Caller:
        """Return who makes `request`."""
        return Caller.of(request, is_named=self._names_clients)

    @asynccontextmanager
    async def call(
        self, request: Request, caller: Caller, protocol: str, method: str
    ) -> AsyncIterator[None]:
        """Run the RPCs of a request in the block, which is left when its client is gone.

        Raises:
            ClientGoneError: the connection was lost.
            RpcFailedError: an RPC failed; or the gateway goes away, or has too many calls.
        """
        call = Call()
        tracer = self._tracer
        span = None if tracer is None else tracer.begin(caller.trace, caller.request_id)
        began = self._clock()
        try:
            async with self._calls.watched(request.receive):
                yield
        except ClientGoneError:
            call.code, call.gone = grpc.StatusCode.CANCELLED, True
            raise
        except RpcFailedError as error:
            call.fail(error.failure)
            raise
        except (DrainingError, TooManyCallsError) as error:
            failure = _refusal(error)
            call.fail(failure)
            raise RpcFailedError(failure) from None
        except BaseException:
            call.code = grpc.StatusCode.INTERNAL
            raise
        finally:
            seconds = self._clock() - began
            self._reporter.ended(protocol, method, call.code, seconds, gone=call.gone)
            if span is not None:
                span.end(f"{protocol}/{method}", call.code, call.reason, gone=call.gone)
            _log.info(
                "call ended",
                protocol=protocol,
                method=method,
                code=call.code.name,
                client_gone=call.gone,
                seconds=round(seconds, 6),
                peer=request.peer[0],
                request_id=caller.request_id,
            )


def _refusal(error: DrainingError | TooManyCallsError) -> Failure:
    """Return the failure of a call that the gateway does not make, or ends.

    A client reacts as to a server that does so: the reasons are those of the contract.
    """
    if isinstance(error, DrainingError):
        code, reason = grpc.StatusCode.UNAVAILABLE, SERVER_DRAINING
        text = "the gateway is shutting down"
    else:
        code, reason = grpc.StatusCode.RESOURCE_EXHAUSTED, SERVER_OVERLOADED
        text = "the gateway has reached its limit of calls"
    details: tuple[Message, ...] = (
        ErrorInfo(domain="hashfinder", reason=reason),
        RetryInfo(retry_delay=Duration(seconds=_RETRY_SECONDS)),
    )
    packed = [Packed() for _ in details]
    for each, detail in zip(packed, details, strict=True):
        each.Pack(detail)
    return Failure(code, text, Status(code=code.value[0], message=text, details=packed))
