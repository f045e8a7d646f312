"""The table from errors to statuses, compared with the class tree of errors."""

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from hashfinder.domain.errors import (
    AbandonedError,
    BudgetExhaustedError,
    CertificateUnknownError,
    ClientQuotaExhaustedError,
    HashFinderError,
    IncompleteRequestError,
    InvalidRequestError,
    KernelUnavailableError,
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
    WorkerDiedError,
    WorkerStartError,
)
from hashfinder.domain.progress import Progress
from hashfinder.transport.status import ERROR_DOMAIN, is_expected, to_status
from hashfinder_proto import hash_name_pb2 as pb
from hashfinder_rules.candidate import Candidate
from hashfinder_rules.query import Query
from hashfinder_rules.violations import Violation

Code = grpc.StatusCode
TYPES: dict[str, type[Message]] = {
    cls.DESCRIPTOR.full_name: cls
    for cls in (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.QuotaFailure,
        error_details_pb2.RetryInfo,
        error_details_pb2.RequestInfo,
        pb.SearchProgress,
    )
}
VIOLATIONS = [Violation("desired_name", "must be shorter"), Violation("maximum_hashes", "not 0")]

# Errors with which no RPC ends, or whose client is gone.
WITHOUT_STATUS = {AbandonedError, KernelUnavailableError, WorkerDiedError, WorkerStartError}

# Error, code, reason, types of details besides ErrorInfo, metric and id of its quota.
ROWS: list[tuple[HashFinderError, Code, str, set[str], tuple[str, str, str] | None]] = [
    (StoppedByOperatorError(), Code.ABORTED, "STOPPED_BY_OPERATOR", set(), None),
    (NoSuchSearchError(), Code.NOT_FOUND, "NO_SUCH_SEARCH", set(), None),
    (TooManyWatchersError(16), Code.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHERS", set(), None),
    (
        InvalidRequestError(VIOLATIONS),
        Code.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        {"BadRequest"},
        None,
    ),
    (
        UndecodableRequestError("no message"),
        Code.INVALID_ARGUMENT,
        "UNDECODABLE_REQUEST",
        set(),
        None,
    ),
    (
        IncompleteRequestError("no message"),
        Code.INVALID_ARGUMENT,
        "INCOMPLETE_REQUEST",
        set(),
        None,
    ),
    (TokenMissingError(), Code.UNAUTHENTICATED, "TOKEN_MISSING", set(), None),
    (TokenUnknownError(), Code.UNAUTHENTICATED, "TOKEN_UNKNOWN", set(), None),
    (
        CertificateUnknownError("who is it?"),
        Code.UNAUTHENTICATED,
        "CERTIFICATE_UNKNOWN",
        set(),
        None,
    ),
    (NotAllowedError("not this one"), Code.PERMISSION_DENIED, "NOT_ALLOWED", set(), None),
    (
        BudgetExhaustedError(12),
        Code.RESOURCE_EXHAUSTED,
        "HASH_BUDGET_EXHAUSTED",
        {"QuotaFailure"},
        ("client", "hashfinder/hashes_per_search", "maximum_hashes"),
    ),
    (
        TimeLimitReachedError(12),
        Code.RESOURCE_EXHAUSTED,
        "TIME_LIMIT_REACHED",
        {"QuotaFailure", "RetryInfo"},
        ("client", "hashfinder/seconds_per_search", "maximum_seconds"),
    ),
    (
        ClientQuotaExhaustedError(1.5, 12),
        Code.RESOURCE_EXHAUSTED,
        "CLIENT_QUOTA_EXHAUSTED",
        {"QuotaFailure", "RetryInfo"},
        ("client", "hashfinder/hashes_per_second", "client_hash_rate"),
    ),
    (
        TooManySearchesError("too many", 1.5, 12),
        Code.RESOURCE_EXHAUSTED,
        "TOO_MANY_SEARCHES",
        {"QuotaFailure", "RetryInfo"},
        ("client", "hashfinder/searches", "maximum_searches_per_client"),
    ),
    (
        ServerOverloadedError("full", 1.5, 12),
        Code.RESOURCE_EXHAUSTED,
        "SERVER_OVERLOADED",
        {"QuotaFailure", "RetryInfo"},
        ("server", "hashfinder/searches", "maximum_searches"),
    ),
    (
        ServerDrainingError("going", 1.5),
        Code.UNAVAILABLE,
        "SERVER_DRAINING",
        {"RetryInfo"},
        None,
    ),
]
ERRORS = [row[0] for row in ROWS]


def class_name(value: object) -> str | None:
    """Return a test's name for an error."""
    return type(value).__name__ if isinstance(value, Exception) else None


def final_errors(cls: type[HashFinderError] = HashFinderError) -> Iterator[type[HashFinderError]]:
    """Return the classes of the domain's errors that have no subclasses."""
    for kind in cls.__subclasses__():
        if kind.__module__ == HashFinderError.__module__:
            if not kind.__subclasses__():
                yield kind
            yield from final_errors(kind)


def unpacked(status: grpc.Status) -> tuple[status_pb2.Status, dict[str, Message]]:
    """Return the message in a status, and its details by type; checks that each type comes once."""
    ((key, value),) = status.trailing_metadata
    assert "grpc-status-details-bin" == key
    assert isinstance(value, bytes)
    rich = status_pb2.Status.FromString(value)
    assert (status.code.value[0], status.details) == (rich.code, rich.message)
    details: dict[str, Message] = {}
    for packed in rich.details:
        full_name = packed.TypeName()
        detail = TYPES[full_name]()
        assert packed.Unpack(detail)
        name = full_name.rpartition(".")[2]
        assert name not in details
        details[name] = detail
    return rich, details


def test_every_error_that_can_end_an_rpc_has_a_row_of_its_own() -> None:
    """A new class of error must be added to the table and to this test."""
    assert {type(error) for error in ERRORS} | WITHOUT_STATUS == set(final_errors())
    assert all(is_expected(error) for error in ERRORS)
    assert not any(is_expected(Exception.__new__(error)) for error in WITHOUT_STATUS)
    assert not is_expected(RuntimeError())
    assert len(ROWS) == len({reason for _, _, reason, _, _ in ROWS})


@pytest.mark.parametrize(("error", "code", "reason", "types", "quota"), ROWS, ids=class_name)
def test_row_of_the_table(
    error: HashFinderError,
    code: Code,
    reason: str,
    types: set[str],
    quota: tuple[str, str, str] | None,
) -> None:
    """Code, text, reason and details of each error."""
    status = to_status(error, "request 1")
    _, details = unpacked(status)

    assert code is status.code
    assert str(error) == status.details
    assert {"ErrorInfo", *types} == details.keys()
    info = details["ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (reason, ERROR_DOMAIN) == (info.reason, info.domain)
    assert ({"limit": "12"} if quota else {}) == dict(info.metadata)
    if quota:
        failure = details["QuotaFailure"]
        assert isinstance(failure, error_details_pb2.QuotaFailure)
        (violation,) = failure.violations
        assert quota == (violation.subject, violation.quota_metric, violation.quota_id)
        assert 12 == violation.quota_value
        assert "hash_name.HashFinder" == violation.api_service
        assert str(error) == violation.description
    if isinstance(error, RetryableError):
        retry = details["RetryInfo"]
        assert isinstance(retry, error_details_pb2.RetryInfo)
        assert round(1000 * error.retry_after) == retry.retry_delay.ToMilliseconds()


def test_bad_request_lists_every_violation() -> None:
    """They are in the order in which they were found."""
    _, details = unpacked(to_status(InvalidRequestError(VIOLATIONS), "1"))
    bad_request = details["BadRequest"]
    assert isinstance(bad_request, error_details_pb2.BadRequest)
    told = [Violation(each.field, each.description) for each in bad_request.field_violations]
    assert VIOLATIONS == told


@pytest.mark.parametrize(
    "error", [error for error in ERRORS if isinstance(error, StoppedError)], ids=class_name
)
def test_progress_is_a_detail_where_the_search_had_begun(error: StoppedError) -> None:
    """Only then."""
    _, before = unpacked(to_status(error, "1"))
    assert "SearchProgress" not in before
    error.progress = Progress(5, 105, 2.0, Candidate.at(100, Query("ab", 0)))
    try:
        _, after = unpacked(to_status(error, "1"))
    finally:
        error.progress = None
    progress = after["SearchProgress"]
    assert isinstance(progress, pb.SearchProgress)
    assert (5, 105, 2.5, 100) == (
        progress.hashes_computed,
        progress.next_position,
        progress.hashes_per_second,
        progress.best_candidate.position,
    )


@pytest.mark.parametrize("error", [RuntimeError("secret"), AbandonedError("secret"), KeyError()])
def test_internal_error_says_nothing_but_its_request_id(error: Exception) -> None:
    """Everything else is in the log."""
    status = to_status(error, "request 7")
    rich, details = unpacked(status)
    assert Code.INTERNAL is status.code
    assert "internal error; request id request 7" == status.details
    assert {"ErrorInfo", "RequestInfo"} == details.keys()
    info, request = details["ErrorInfo"], details["RequestInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert isinstance(request, error_details_pb2.RequestInfo)
    assert "INTERNAL_ERROR" == info.reason
    assert "request 7" == request.request_id
    assert b"secret" not in rich.SerializeToString()


def test_largest_status_stays_far_below_16_kib() -> None:
    """Above that, gRPC replaces the error itself."""
    worst = Progress(2**64 - 1, 2**64 - 1, 1e-300, Candidate.at(2**64 - 1, Query("z" * 28, 0)))
    fields = (
        "desired_name",
        "ideal_hamming_distance",
        "interesting_hamming_distance",
        "maximum_hashes",
        "progress_interval",
    )
    errors: list[HashFinderError] = [
        InvalidRequestError([Violation(field, "x" * 300) for field in fields]),
        BudgetExhaustedError(2**64 - 1),
        ClientQuotaExhaustedError(1e9, 10**15),
        TooManySearchesError("x" * 100, 30.0, 100_000),
        ServerDrainingError("x" * 100, 1.0),
    ]
    for error in errors:
        if isinstance(error, StoppedError):
            error.progress = worst
        status = to_status(error, "r" * 64)
        size = len(status.details) + sum(len(value) for _, value in status.trailing_metadata)
        assert size < 6000, type(error)


def test_limit_beyond_the_details_range_is_exact_in_the_metadata() -> None:
    """A quota's value has one bit less than a budget."""
    _, details = unpacked(to_status(BudgetExhaustedError(2**64 - 1), "1"))
    info, failure = details["ErrorInfo"], details["QuotaFailure"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert isinstance(failure, error_details_pb2.QuotaFailure)
    assert "18446744073709551615" == info.metadata["limit"]
    assert 2**63 - 1 == failure.violations[0].quota_value


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(0.5, 500), (1.2342, 1235), (30.0, 30_000), (0.0004, 1)]
)
def test_retry_delay_is_exact_to_the_millisecond(seconds: float, milliseconds: int) -> None:
    """It is rounded up, so that a client that retries then is not refused again."""
    _, details = unpacked(to_status(ServerDrainingError("going", seconds), "1"))
    retry = details["RetryInfo"]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert milliseconds == retry.retry_delay.ToMilliseconds()
