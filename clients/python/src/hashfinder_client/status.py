"""How an RPC ended: its status, and what the details of the status say.

The table of statuses and details is that of the contract (``hash_name.proto``).
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

BUDGET_EXHAUSTED = "HASH_BUDGET_EXHAUSTED"
"""The reason of an RPC whose budget of hashes is used up."""
TOO_MANY_SEARCHES = "TOO_MANY_SEARCHES"
"""The reason of an RPC beyond those that the server lets one client have at once."""
SERVER_DRAINING = "SERVER_DRAINING"
"""The reason of an RPC that a server refuses or stops since it goes away."""
TIME_LIMIT_REACHED = "TIME_LIMIT_REACHED"
"""The reason of an RPC that lasted as long as the server lets one search last."""
_TRANSPORT_CODES = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
}
_MessageT = TypeVar("_MessageT", bound=Message)


@dataclass(frozen=True, slots=True)
class RpcStatus:
    """The status of an RPC that has ended."""

    code: grpc.StatusCode
    text: str = ""
    rich: Status | None = None
    """The details; None where the server sent none that can be read."""
    kernel: str = ""
    """The server's kernel; empty where it does not say."""

    @property
    def drains(self) -> bool:
        """Whether the server is going away."""
        return Details.of(self.rich).reason == SERVER_DRAINING

    @classmethod
    def of(cls, call: grpc.Call) -> "RpcStatus":
        """Return the status of `call`, which has ended."""
        rich = None
        # A ValueError: the details contradict the status, which then counts alone.
        with suppress(ValueError, DecodeError):
            rich = rpc_status.from_call(call)
        kernel = dict(call.trailing_metadata() or ()).get("x-hashfinder-kernel", "")
        return cls(call.code(), call.details() or "", rich, str(kernel))

    @property
    def is_of_transport(self) -> bool:
        """Whether a connection, a proxy or a balancer failed, and not the server's application.

        The server's own statuses carry an ErrorInfo. A CANCELLED is one that this side did not
        ask for: gRPC answers so to an RPC that comes while a server hangs up.
        """
        return self.code in _TRANSPORT_CODES and not Details.of(self.rich).reason

    @property
    def calls_for_another_channel(self) -> bool:
        """Whether another connection may do better than a further RPC on this one.

        A draining server keeps its connections and refuses on them; the channel would stay on it
        for as long as any search keeps it alive. After a lost connection a channel makes another
        one by itself.
        """
        if self.code is grpc.StatusCode.UNAVAILABLE:
            return Details.of(self.rich).reason == SERVER_DRAINING
        return self.is_of_transport


@dataclass(frozen=True, kw_only=True, slots=True)
class Details:
    """The details of a status, each None or empty where it is not there."""

    reason: str = ""
    """The reason of the ErrorInfo, such as ``SERVER_DRAINING``."""
    retry_after: float | None = None
    """Seconds until another try makes sense."""
    violations: tuple[tuple[str, str], ...] = ()
    """The fields that break the contract, each with what is wrong."""
    request_id: str = ""
    """Names the RPC in the server's log."""

    @classmethod
    def of(cls, rich: Status | None) -> "Details":
        """Return what can be read from a status."""
        info = detail(rich, ErrorInfo)
        retry = detail(rich, RetryInfo)
        bad_request = detail(rich, BadRequest)
        request = detail(rich, RequestInfo)
        violations = bad_request.field_violations if bad_request else ()
        return cls(
            reason=info.reason if info and info.domain == "hashfinder" else "",
            retry_after=_seconds(retry) if retry else None,
            violations=tuple((v.field, v.description) for v in violations),
            request_id=request.request_id if request else "",
        )


def _seconds(retry: RetryInfo) -> float:
    return max(0.0, retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)


def detail(rich: Status | None, kind: type[_MessageT]) -> _MessageT | None:
    """Return the detail of type `kind`; None where there is none that can be read."""
    for packed in rich.details if rich else ():
        message = kind()
        try:
            if packed.Unpack(message):
                return message
        except DecodeError:
            continue
    return None
