"""The rows of the contract's status table: how to bring about each end, and what it must show.

One table makes it longer than 250 lines.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hashfinder.kernel import Kernel, load_kernel
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.server.kernels import BrokenKernel, IdleKernel

METHODS = {"Find": "unary", "FindRange": "server_stream"}
GO_CODES = {
    "OK": "OK",
    "ABORTED": "Aborted",
    "CANCELLED": "Canceled",
    "DEADLINE_EXCEEDED": "DeadlineExceeded",
    "INTERNAL": "Internal",
    "INVALID_ARGUMENT": "InvalidArgument",
    "PERMISSION_DENIED": "PermissionDenied",
    "RESOURCE_EXHAUSTED": "ResourceExhausted",
    "UNAUTHENTICATED": "Unauthenticated",
    "UNAVAILABLE": "Unavailable",
}
HOPELESS = HashNameRequest(desired_name="hopeless", maximum_hashes=10**15)
RETRY_SECONDS = (0.1, 60.0)


def python_kernel() -> Kernel:
    """Return the reference kernel, whose searches are short enough to be repeated by the test."""
    return load_kernel("python")


class Quota(NamedTuple):
    """The contents of a QuotaFailure."""

    subject: str
    metric: str
    id: str
    limit: int


@dataclass(frozen=True)
class Row:
    """One way to end, and everything that the client, metrics and log must show."""

    name: str
    code: str
    cause: str | None = None
    reason: str | None = None
    details: frozenset[str] = frozenset()
    quota: Quota | None = None
    request: HashNameRequest = field(default_factory=lambda: HOPELESS)
    kernel: Callable[[], Kernel] = IdleKernel
    settings: Mapping[str, object] = field(default_factory=dict)
    earlier: HashNameRequest | None = None
    """A request that runs to its end first."""
    held: int = 0
    """How many other searches are running."""
    timeout: float | None = None
    cancel: bool = False
    stop: bool = False
    """Whether an operator stops it."""
    wire: bytes | None = None
    """Bytes to send in place of the request."""
    unsent: bool = False
    """Whether the client closes its side without a request message."""
    metadata: tuple[tuple[str, str], ...] = ()
    """The metadata that the client sends."""
    client: str = "127.0.0.1"
    """The client that the RPC is counted for."""


BUDGET_DETAILS = frozenset({"ErrorInfo", "QuotaFailure", "SearchProgress"})
LIMIT_DETAILS = frozenset({"ErrorInfo", "QuotaFailure", "RetryInfo"})
CLIENT_RATE = {"client_hash_rate": 1000, "client_hash_burst": 2000}
WITH_OPERATORS = {"admin_listen": "127.0.0.1:0"}
RATE_QUOTA = Quota("client", "hashfinder/hashes_per_second", "client_hash_rate", 1000)

FOLDER = Path(__file__).parent / "access"
TOKENS = {"tokens": str(FOLDER / "tokens")}
POLICY = {**TOKENS, "policy": str(FOLDER / "policy.toml")}


def bearer(name: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata with the token of `name` in the tests' files."""
    return (("authorization", f"Bearer test-token-of-{name}"),)


def for_user(name: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a gateway that calls on behalf of the user `name`."""
    return (*bearer("web"), ("hashfinder-on-behalf-of", name))


ROWS = (
    Row(
        "found",
        "OK",
        request=HashNameRequest(desired_name="ab"),
        kernel=python_kernel,
    ),
    Row(
        "budget of the request",
        "RESOURCE_EXHAUSTED",
        cause="budget",
        reason="HASH_BUDGET_EXHAUSTED",
        details=BUDGET_DETAILS,
        quota=Quota("client", "hashfinder/hashes_per_search", "maximum_hashes", 700),
        request=HashNameRequest(desired_name="Hopeless", start_position=250, maximum_hashes=700),
        kernel=python_kernel,
    ),
    Row(
        "budget of the server",
        "RESOURCE_EXHAUSTED",
        cause="budget",
        reason="HASH_BUDGET_EXHAUSTED",
        details=BUDGET_DETAILS,
        quota=Quota("client", "hashfinder/hashes_per_search", "maximum_hashes", 600),
        kernel=python_kernel,
        settings={"maximum_hashes": 600},
    ),
    Row(
        "time limit",
        "RESOURCE_EXHAUSTED",
        cause="budget",
        reason="TIME_LIMIT_REACHED",
        details=LIMIT_DETAILS | {"SearchProgress"},
        quota=Quota("client", "hashfinder/seconds_per_search", "maximum_seconds", 1),
        kernel=python_kernel,
        settings={"maximum_seconds": 1},
    ),
    Row(
        "client's quota while searching",
        "RESOURCE_EXHAUSTED",
        cause="quota",
        reason="CLIENT_QUOTA_EXHAUSTED",
        details=LIMIT_DETAILS | {"SearchProgress"},
        quota=RATE_QUOTA,
        kernel=python_kernel,
        settings=CLIENT_RATE,
    ),
    Row(
        "client's quota at admission",
        "RESOURCE_EXHAUSTED",
        cause="quota",
        reason="CLIENT_QUOTA_EXHAUSTED",
        details=LIMIT_DETAILS,
        quota=RATE_QUOTA,
        earlier=HOPELESS,
        kernel=python_kernel,
        settings=CLIENT_RATE,
    ),
    Row(
        "too many searches",
        "RESOURCE_EXHAUSTED",
        cause="quota",
        reason="TOO_MANY_SEARCHES",
        details=LIMIT_DETAILS,
        quota=Quota("client", "hashfinder/searches", "maximum_searches_per_client", 1),
        settings={"maximum_searches_per_client": 1},
        held=1,
    ),
    Row(
        "overloaded, nobody may wait",
        "RESOURCE_EXHAUSTED",
        cause="overload",
        reason="SERVER_OVERLOADED",
        details=LIMIT_DETAILS,
        quota=Quota("server", "hashfinder/searches", "maximum_searches", 2),
        settings={"maximum_searches": 2, "maximum_waiting": 0},
        held=2,
    ),
    Row(
        "overloaded, waited in vain",
        "RESOURCE_EXHAUSTED",
        cause="overload",
        reason="SERVER_OVERLOADED",
        details=LIMIT_DETAILS,
        quota=Quota("server", "hashfinder/searches", "maximum_searches", 1),
        settings={"maximum_searches": 1, "wait_seconds": 0.1},
        held=1,
    ),
    Row("deadline", "DEADLINE_EXCEEDED", cause="deadline", timeout=0.3),
    Row(
        "deadline while waiting",
        "DEADLINE_EXCEEDED",
        cause="deadline",
        timeout=0.3,
        settings={"maximum_searches": 1},
        held=1,
    ),
    Row("cancelled", "CANCELLED", cause="client_cancel", cancel=True),
    Row(
        "cancelled while waiting",
        "CANCELLED",
        cause="client_cancel",
        cancel=True,
        settings={"maximum_searches": 1},
        held=1,
    ),
    Row(
        "stopped by an operator",
        "ABORTED",
        cause="operator",
        reason="STOPPED_BY_OPERATOR",
        details=frozenset({"ErrorInfo", "SearchProgress"}),
        kernel=python_kernel,
        settings=WITH_OPERATORS,
        stop=True,
    ),
    Row(
        "stopped by an operator while waiting",
        "ABORTED",
        cause="operator",
        reason="STOPPED_BY_OPERATOR",
        details=frozenset({"ErrorInfo"}),
        settings={"maximum_searches": 1, **WITH_OPERATORS},
        held=1,
        stop=True,
    ),
    Row(
        "invalid",
        "INVALID_ARGUMENT",
        reason="INVALID_REQUEST",
        details=frozenset({"ErrorInfo", "BadRequest"}),
        request=HashNameRequest(),
    ),
    Row(
        "undecodable",
        "INVALID_ARGUMENT",
        reason="UNDECODABLE_REQUEST",
        details=frozenset({"ErrorInfo"}),
        wire=b"\xff\xff\xff",
    ),
    Row(
        "no message",
        "INVALID_ARGUMENT",
        reason="INCOMPLETE_REQUEST",
        details=frozenset({"ErrorInfo"}),
        unsent=True,
    ),
    Row(
        "no token",
        "UNAUTHENTICATED",
        reason="TOKEN_MISSING",
        details=frozenset({"ErrorInfo"}),
        settings=TOKENS,
        wire=b"\xff\xff\xff",  # is not decoded
    ),
    Row(
        "unknown token",
        "UNAUTHENTICATED",
        reason="TOKEN_UNKNOWN",
        details=frozenset({"ErrorInfo"}),
        settings=TOKENS,
        metadata=(("authorization", "Bearer swordfish-swordfish"),),
        wire=b"\xff\xff\xff",
    ),
    Row(
        "not allowed",
        "PERMISSION_DENIED",
        reason="NOT_ALLOWED",
        details=frozenset({"ErrorInfo"}),
        settings=POLICY,
        metadata=bearer("mallory"),
        wire=b"\xff\xff\xff",
    ),
    Row(
        "user of a gateway not allowed",
        "PERMISSION_DENIED",
        reason="NOT_ALLOWED",
        details=frozenset({"ErrorInfo"}),
        settings=POLICY,
        metadata=for_user("banned"),
    ),
    Row(
        "found by a known client",
        "OK",
        request=HashNameRequest(desired_name="ab"),
        kernel=python_kernel,
        settings=TOKENS,
        metadata=bearer("alice"),
        client="token:alice",
    ),
    Row(
        "budget of the policy",
        "RESOURCE_EXHAUSTED",
        cause="budget",
        reason="HASH_BUDGET_EXHAUSTED",
        details=BUDGET_DETAILS,
        quota=Quota("client", "hashfinder/hashes_per_search", "maximum_hashes", 500),
        kernel=python_kernel,
        settings=POLICY,
        metadata=bearer("bob"),
        client="token:bob",
    ),
    Row(
        "budget of a gateway's user",
        "RESOURCE_EXHAUSTED",
        cause="budget",
        reason="HASH_BUDGET_EXHAUSTED",
        details=BUDGET_DETAILS,
        quota=Quota("client", "hashfinder/hashes_per_search", "maximum_hashes", 500),
        kernel=python_kernel,
        settings=POLICY,
        metadata=for_user("bob"),
        client="user:bob",
    ),
    Row(
        "too many searches by the policy",
        "RESOURCE_EXHAUSTED",
        cause="quota",
        reason="TOO_MANY_SEARCHES",
        details=LIMIT_DETAILS,
        quota=Quota("client", "hashfinder/searches", "maximum_searches_per_client", 1),
        settings=POLICY,
        metadata=bearer("one"),
        client="token:one",
        held=1,
    ),
    Row(
        "fault of ours",
        "INTERNAL",
        reason="INTERNAL_ERROR",
        details=frozenset({"ErrorInfo", "RequestInfo"}),
        request=HashNameRequest(desired_name=BrokenKernel.name),
        kernel=BrokenKernel,
    ),
)
