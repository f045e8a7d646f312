"""How an RPC ended, as its client sees it."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from hashfinder_proto.hash_name_pb2 import HashNameResponse, SearchProgress

_DETAIL_TYPES: tuple[type[Message], ...] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.QuotaFailure,
    error_details_pb2.RetryInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.RequestInfo,
    SearchProgress,
)
_METADATA_LIMIT_BYTES = 16 * 1024
_ENTRY_OVERHEAD_BYTES = 32  # as HTTP/2 counts a header


@dataclass
class Ending:
    """The status of an RPC, its details unpacked, and the messages that came before it."""

    code: grpc.StatusCode
    text: str
    messages: list[HashNameResponse] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    """The rich details, by the name of their type."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """The trailing metadata."""

    @property
    def reason(self) -> str:
        """The reason in the ErrorInfo."""
        info = self.details["ErrorInfo"]
        assert info.domain == "hashfinder"
        return str(info.reason)

    @property
    def progress(self) -> SearchProgress:
        """The SearchProgress among the details."""
        progress = self.details["SearchProgress"]
        assert isinstance(progress, SearchProgress)
        return progress

    @property
    def retry_seconds(self) -> float:
        """The delay in the RetryInfo."""
        delay = self.details["RetryInfo"].retry_delay
        return float(delay.seconds + delay.nanos / 1e9)


def ending_of(error: grpc.RpcError) -> Ending:
    """Return how an RPC ended, from the error of a blocking or an aio stub.

    Checks that every detail is of a type that the contract names, each type at most once, and
    that all of them are smaller than the size at which gRPC replaces a status.
    """
    assert isinstance(error, grpc.aio.AioRpcError | grpc.Call)
    metadata = tuple(error.trailing_metadata() or ())
    size = sum(len(key) + len(value) + _ENTRY_OVERHEAD_BYTES for key, value in metadata)
    assert size < _METADATA_LIMIT_BYTES
    code, text = error.code(), error.details() or ""
    ending = Ending(code, text, metadata=dict(metadata))
    if packed := ending.metadata.get("grpc-status-details-bin"):
        status = status_pb2.Status.FromString(packed)
        assert (code.value[0], text) == (status.code, status.message)
        ending.details = _unpacked(status.details)
    return ending


def _unpacked(details: Iterable[AnyMessage]) -> dict[str, Any]:
    unpacked: dict[str, Any] = {}
    for detail in details:
        [kind] = [kind for kind in _DETAIL_TYPES if detail.TypeName() == kind.DESCRIPTOR.full_name]
        message = kind()
        assert detail.Unpack(message)
        assert kind.__name__ not in unpacked, "each type at most once"
        unpacked[kind.__name__] = message
    return unpacked


async def finish(call: Any) -> Ending:  # noqa: ANN401  # aio's calls have no common type
    """Wait for an aio call of either method to end; return how it ended."""
    messages: list[HashNameResponse] = []
    try:
        if isinstance(call, grpc.aio.UnaryUnaryCall):
            messages.append(await call)
        else:
            async for message in call:
                messages.append(message)  # noqa: PERF401  # the messages before an error count
    except grpc.aio.AioRpcError as error:
        ending = ending_of(error)
        ending.messages = messages
        return ending
    except asyncio.CancelledError:
        assert call.cancelled(), "the test itself was cancelled"
        return Ending(grpc.StatusCode.CANCELLED, "", messages)
    metadata = dict(await call.trailing_metadata())
    return Ending(grpc.StatusCode.OK, "", messages, metadata=metadata)
