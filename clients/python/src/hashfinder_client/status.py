"""How an RPC ended: its status, and what the details of the status say.

The table of statuses and details is that of the contract (``hash_name.proto``).
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from hashfinder_client.errors import (
    SERVER_DRAINING,
    Details,
    StoppedError,
    TlsError,
    stopped_error,
)
from hashfinder_client.tls import fault_of

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
    """The server's kernel; empty if it is not reported."""
    is_silent: bool = False
    """Whether this side gave the RPC up, since the server did not send the reports it had to."""

    @classmethod
    def silent(cls, seconds: float) -> "RpcStatus":
        """Return the status of an RPC that was given up after so much silence."""
        text = f"the connection is lost: no report came for {seconds:g} s"
        return cls(grpc.StatusCode.UNAVAILABLE, text, is_silent=True)

    @property
    def details(self) -> Details:
        """What can be read from the details of the status."""
        info = detail(self.rich, ErrorInfo)
        retry = detail(self.rich, RetryInfo)
        bad_request = detail(self.rich, BadRequest)
        request = detail(self.rich, RequestInfo)
        violations = bad_request.field_violations if bad_request else ()
        return Details(
            reason=info.reason if info and info.domain == "hashfinder" else "",
            retry_after=_seconds(retry) if retry else None,
            violations=tuple((v.field, v.description) for v in violations),
            request_id=request.request_id if request else "",
        )

    @property
    def drains(self) -> bool:
        """Whether the server drains."""
        return self.details.reason == SERVER_DRAINING

    @classmethod
    def of(cls, call: grpc.Call) -> "RpcStatus":
        """Return the status of `call`, which has ended."""
        rich = None
        # A ValueError: the details contradict the status, which then counts alone.
        with suppress(ValueError, DecodeError):
            rich = rpc_status.from_call(call)
        kernel = dict(call.trailing_metadata() or ()).get("x-hashfinder-kernel", "")
        return cls(call.code(), call.details() or "", rich, str(kernel))

    def with_note(self, note: str) -> "RpcStatus":
        """Return the status with `note` on the way to the server, if it is that which failed."""
        is_lost = self.code is grpc.StatusCode.UNAVAILABLE and self.is_of_transport
        return replace(self, text=self.text + note) if note and is_lost else self

    @property
    def error_class(self) -> type[StoppedError]:
        """The class of the error that the status means for a search."""
        is_lost = self.code is grpc.StatusCode.UNAVAILABLE and self.is_of_transport
        if is_lost and fault_of(self.text):
            return TlsError
        return stopped_error(self.code, self.details.reason)

    @property
    def is_of_transport(self) -> bool:
        """Whether a connection, a proxy or a balancer failed, and not the server's application.

        The server's own statuses carry an ErrorInfo. A CANCELLED is one that this side did not
        ask for: gRPC answers so to an RPC that comes while a server hangs up.
        """
        return self.code in _TRANSPORT_CODES and not self.details.reason

    @property
    def calls_for_another_channel(self) -> bool:
        """Whether another connection may do better than a further RPC on this one.

        A draining server keeps its connections and refuses on them; the channel would stay on it
        for as long as any search keeps it alive. After a lost connection a channel makes another
        one by itself, but where it does not know that the connection is lost.
        """
        if self.is_silent:
            return True
        if self.code is grpc.StatusCode.UNAVAILABLE:
            return self.details.reason == SERVER_DRAINING
        return self.is_of_transport


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
