"""Statuses of gRPC as the Connect protocol has them: names, HTTP statuses, errors in JSON."""

from base64 import b64encode
from typing import Any

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2

from hashfinder_proto import hash_name_pb2
from hashfinder_web.upstream.failure import Failure

_Code = grpc.StatusCode
_KNOWN = (error_details_pb2, hash_name_pb2)
"""Their import makes the types of all details known to the descriptor pool."""
_HTTP = {
    _Code.OK: 200,
    _Code.CANCELLED: 499,
    _Code.INVALID_ARGUMENT: 400,
    _Code.DEADLINE_EXCEEDED: 504,
    _Code.NOT_FOUND: 404,
    _Code.ALREADY_EXISTS: 409,
    _Code.PERMISSION_DENIED: 403,
    _Code.RESOURCE_EXHAUSTED: 429,
    _Code.FAILED_PRECONDITION: 400,
    _Code.ABORTED: 409,
    _Code.OUT_OF_RANGE: 400,
    _Code.UNIMPLEMENTED: 501,
    _Code.UNAVAILABLE: 503,
    _Code.UNAUTHENTICATED: 401,
}
"""The others are 500."""


def name_of(code: grpc.StatusCode) -> str:
    """Return a code as the protocol spells it."""
    return "canceled" if code is _Code.CANCELLED else code.name.lower()


def http_status(code: grpc.StatusCode) -> int:
    """Return the HTTP status of a unary answer that failed with `code`."""
    return _HTTP.get(code, 500)


def error_json(failure: Failure) -> dict[str, Any]:
    """Return a failure as the protocol's error: code, message and details."""
    error: dict[str, Any] = {"code": name_of(failure.code), "message": failure.message}
    if failure.details is not None and failure.details.details:
        error["details"] = [detail_json(each) for each in failure.details.details]
    return error


def detail_json(packed: Packed) -> dict[str, Any]:
    """Return one detail: its type, its bytes in base64, and, where the type is known, in clear."""
    name = packed.type_url.rpartition("/")[2]
    detail: dict[str, Any] = {
        "type": name,
        "value": b64encode(packed.value).decode().rstrip("="),
    }
    if (clear := clear_detail(packed)) is not None:
        detail["debug"] = clear
    return detail


def clear_detail(packed: Packed) -> dict[str, Any] | None:
    """Return one detail as JSON; None if its type is not known, or its bytes are not of it."""
    try:
        name = packed.type_url.rpartition("/")[2]
        kind = descriptor_pool.Default().FindMessageTypeByName(name)
        message = message_factory.GetMessageClass(kind).FromString(packed.value)
    except (KeyError, DecodeError):
        return None
    return json_format.MessageToDict(message)
