"""What a client may know of an RPC that failed behind the gateway."""

from dataclasses import dataclass
from typing import cast

import grpc
from google.rpc.status_pb2 import Status

from hashfinder_client.status import RpcStatus

_Code = grpc.StatusCode
_TEXTS = {
    _Code.CANCELLED: "the server ended the request",
    _Code.DEADLINE_EXCEEDED: "the deadline has passed",
    _Code.INTERNAL: "the request failed on its way to the server",
    _Code.RESOURCE_EXHAUSTED: "the request is too large for the server",
    _Code.UNAVAILABLE: "the server cannot be reached",
    _Code.UNIMPLEMENTED: "the server does not know this method",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """The status of a failed RPC, without anything that only this side may know."""

    code: grpc.StatusCode
    message: str
    details: Status | None = None
    kernel: str = ""
    """The server's kernel; empty if it is not reported."""
    needs_another_channel: bool = False
    """Whether the client's next RPC should take another connection."""

    @property
    def status(self) -> RpcStatus:
        """What can be read from the details."""
        return RpcStatus(self.code, self.message, self.details)


UNREACHABLE = Failure(_Code.UNAVAILABLE, _TEXTS[_Code.UNAVAILABLE])
"""What a client may know where no RPC could be made."""


class RpcFailedError(Exception):
    """An RPC ended with a status other than OK."""

    def __init__(self, failure: Failure) -> None:
        """Take the status."""
        super().__init__(failure.message)
        self.failure = failure


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """Return what may be passed on of `error`.

    The server's own statuses are made for clients, and carry its ErrorInfo. Every other text is
    gRPC's: it has addresses, and names of files in some versions.
    """
    status = RpcStatus.of(cast("grpc.Call", error))
    renew = status.calls_for_another_channel
    if status.details.reason:
        return Failure(status.code, status.text, status.rich, status.kernel, renew)
    text = _TEXTS.get(status.code, "the request failed")
    return Failure(status.code, text, None, status.kernel, renew)
