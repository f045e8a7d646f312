"""The one table from errors to statuses with their rich details.

The details follow google.rpc's error model (AIP-193): one ErrorInfo each, every type at most once,
the message's variable parts repeated as metadata. Nothing that a client sent is echoed, so that a
status stays far below the 16 KiB of metadata at which gRPC would replace it.
"""

import math
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from hashfinder.domain.errors import (
    AccessDeniedError,
    BudgetExhaustedError,
    CertificateUnknownError,
    ClientQuotaExhaustedError,
    IncompleteRequestError,
    InvalidRequestError,
    LimitError,
    NoSuchSearchError,
    NotAllowedError,
    RetryableError,
    ServerDrainingError,
    ServerOverloadedError,
    StoppedByOperatorError,
    StoppedError,
    TimeLimitReachedError,
    TokenMissingError,
    TokenUnknownError,
    TooManySearchesError,
    TooManyWatchersError,
    UndecodableRequestError,
)
from hashfinder.transport.mapping import search_progress

ERROR_DOMAIN = "hashfinder"
_LARGEST_INT64 = 2**63 - 1


@dataclass(frozen=True, slots=True)
class _Row:
    code: grpc.StatusCode
    reason: str
    quota_metric: str = ""
    quota_id: str = ""  # the setting or field that bounds the metric


_Code = grpc.StatusCode
_TABLE: dict[type[Exception], _Row] = {
    InvalidRequestError: _Row(_Code.INVALID_ARGUMENT, "INVALID_REQUEST"),
    UndecodableRequestError: _Row(_Code.INVALID_ARGUMENT, "UNDECODABLE_REQUEST"),
    IncompleteRequestError: _Row(_Code.INVALID_ARGUMENT, "INCOMPLETE_REQUEST"),
    TokenMissingError: _Row(_Code.UNAUTHENTICATED, "TOKEN_MISSING"),
    TokenUnknownError: _Row(_Code.UNAUTHENTICATED, "TOKEN_UNKNOWN"),
    CertificateUnknownError: _Row(_Code.UNAUTHENTICATED, "CERTIFICATE_UNKNOWN"),
    NotAllowedError: _Row(_Code.PERMISSION_DENIED, "NOT_ALLOWED"),
    BudgetExhaustedError: _Row(
        _Code.RESOURCE_EXHAUSTED, "HASH_BUDGET_EXHAUSTED", "hashes_per_search", "maximum_hashes"
    ),
    TimeLimitReachedError: _Row(
        _Code.RESOURCE_EXHAUSTED, "TIME_LIMIT_REACHED", "seconds_per_search", "maximum_seconds"
    ),
    ClientQuotaExhaustedError: _Row(
        _Code.RESOURCE_EXHAUSTED, "CLIENT_QUOTA_EXHAUSTED", "hashes_per_second", "client_hash_rate"
    ),
    TooManySearchesError: _Row(
        _Code.RESOURCE_EXHAUSTED, "TOO_MANY_SEARCHES", "searches", "maximum_searches_per_client"
    ),
    ServerOverloadedError: _Row(
        _Code.RESOURCE_EXHAUSTED, "SERVER_OVERLOADED", "searches", "maximum_searches"
    ),
    ServerDrainingError: _Row(_Code.UNAVAILABLE, "SERVER_DRAINING"),
    StoppedByOperatorError: _Row(_Code.ABORTED, "STOPPED_BY_OPERATOR"),
    NoSuchSearchError: _Row(_Code.NOT_FOUND, "NO_SUCH_SEARCH"),
    TooManyWatchersError: _Row(_Code.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHERS"),
}
_FAULT = _Row(_Code.INTERNAL, "INTERNAL_ERROR")


ACCESS_REASONS = [row.reason for kind, row in _TABLE.items() if issubclass(kind, AccessDeniedError)]
"""The reasons for which a client is refused because of its identity."""


def is_expected(error: Exception) -> bool:
    """Return whether `error` has a row of its own: no fault of ours."""
    return type(error) in _TABLE


def code_of(error: Exception) -> grpc.StatusCode:
    """Return the code of the status that `to_status` makes of `error`."""
    return _TABLE.get(type(error), _FAULT).code


def reason_of(error: Exception) -> str:
    """Return the reason in the ErrorInfo that `to_status` makes of `error`."""
    return _TABLE.get(type(error), _FAULT).reason


def to_status(error: Exception, request_id: str) -> grpc.Status:
    """Return the status that reports `error` to the client.

    An error without a row is a fault of ours: a generic INTERNAL; its request id leads to the log.
    """
    row = _TABLE.get(type(error), _FAULT)
    expected = is_expected(error)
    message = str(error) if expected else f"internal error; request id {request_id}"
    status = status_pb2.Status(code=row.code.value[0], message=message)
    for detail in _details(error, row, request_id):
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return rpc_status.to_status(status)


def _details(error: Exception, row: _Row, request_id: str) -> list[Message]:
    info = error_details_pb2.ErrorInfo(reason=row.reason, domain=ERROR_DOMAIN)
    details: list[Message] = [info]
    if isinstance(error, InvalidRequestError):
        bad_request = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad_request.field_violations.add(
                field=violation.field, description=violation.description
            )
        details.append(bad_request)
    if isinstance(error, BudgetExhaustedError | LimitError):
        info.metadata["limit"] = str(error.limit)
        failure = error_details_pb2.QuotaFailure()
        failure.violations.add(
            subject="client" if row.quota_id != "maximum_searches" else "server",
            description=str(error),
            api_service="hash_name.HashFinder",
            quota_metric=f"{ERROR_DOMAIN}/{row.quota_metric}",
            quota_id=row.quota_id,
            quota_value=min(error.limit, _LARGEST_INT64),
        )
        details.append(failure)
    if isinstance(error, RetryableError):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(math.ceil(error.retry_after * 1000))
        details.append(retry)
    if isinstance(error, StoppedError) and error.progress is not None:
        details.append(search_progress(error.progress))
    if row is _FAULT:
        details.append(error_details_pb2.RequestInfo(request_id=request_id))
    return details
