"""Any input from outside is accepted, or refused with the error meant for it.

A few examples in `make test`, thousands in `make fuzz`.
"""

from array import array
from contextlib import suppress

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from hypothesis import example, given
from hypothesis import strategies as st

from hashfinder.access.file_error import AccessFileError
from hashfinder.access.policy_file import parse_policy
from hashfinder.access.token_file import parse_tokens
from hashfinder.domain.errors import CertificateUnknownError, InvalidRequestError
from hashfinder.kernel import load_kernel
from hashfinder.transport.peer_certificate import name_in
from hashfinder.transport.validation import parse_request
from hashfinder_client.errors import StoppedError, VerificationError
from hashfinder_client.query import Query
from hashfinder_client.resumable_search import ResumableSearch
from hashfinder_client.retry import RetryPolicy
from hashfinder_client.status import RpcStatus
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse, SearchProgress
from tests.unit.scheduling.allowances import AMPLE

_native = pytest.importorskip("hashfinder.kernel._native", reason="the kernel in C is not built")

numbers = st.integers(-(2**31), 2**31 - 1) | st.integers(-2, 64)
positions = st.integers(0, 2**64 - 1)
requests = st.builds(
    HashNameRequest,
    desired_name=st.text(max_size=40),
    ideal_hamming_distance=numbers,
    interesting_hamming_distance=numbers,
    start_position=st.none() | positions,
    maximum_hashes=st.none() | positions,
    hash_algorithm=st.integers(-1, 5),
    digest_encoding=st.integers(-1, 7),
    anchor=st.integers(-1, 5),
    case_sensitive=st.booleans(),
    wildcard=st.text(max_size=3),
    secret_prefix=st.binary(max_size=80),
    secret_suffix=st.binary(max_size=80),
    secret_alphabet=st.binary(max_size=300),
    secret_length=st.none() | st.integers(0, 2**32 - 1),
)


@given(st.binary(max_size=200) | requests.map(HashNameRequest.SerializeToString))
def test_request_is_valid_or_refused_with_its_violations(wire: bytes) -> None:
    """The kernel in C scans a valid request with the same result as the one in Python."""
    try:
        request = HashNameRequest.FromString(wire)
    except DecodeError:
        return
    try:
        wanted = parse_request(request, 1000)
    except InvalidRequestError as error:
        assert error.violations  # noqa: PT017  # nothing has to be raised
        return
    stop = min(wanted.start + 20, wanted.start + wanted.maximum_hashes, wanted.query.keyspace.end)
    scans = [
        load_kernel(name).prepare(wanted.query).scan(wanted.start, stop, 2**20, 64)
        for name in ("auto", "python")
    ]
    assert scans[0] == scans[1]


details = st.sampled_from(
    [
        error_details_pb2.ErrorInfo,
        error_details_pb2.RetryInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.RequestInfo,
        error_details_pb2.QuotaFailure,
        SearchProgress,
    ]
)
reasons = st.sampled_from(
    ["HASH_BUDGET_EXHAUSTED", "SERVER_DRAINING", "TIME_LIMIT_REACHED", "TOKEN_UNKNOWN", ""]
) | st.text(max_size=9)


@st.composite
def statuses(draw: st.DrawFn) -> RpcStatus:
    """Return a status with details of any kind and content."""
    rich = Status()
    info = AnyMessage()
    info.Pack(error_details_pb2.ErrorInfo(domain="hashfinder", reason=draw(reasons)))
    rich.details.append(info)
    kind: type[Message]
    for kind in draw(st.lists(details, max_size=3)):
        url = f"type.googleapis.com/{kind.DESCRIPTOR.full_name}"
        rich.details.append(AnyMessage(type_url=url, value=draw(st.binary(max_size=40))))
    code = draw(st.sampled_from(list(grpc.StatusCode)))
    return RpcStatus(code, draw(st.text(max_size=20)), draw(st.none() | st.just(rich)))


candidates = st.builds(
    HashNameResponse,
    secret=st.text(max_size=12),
    hashed_name=st.text(max_size=30),
    hamming_distance=numbers,
    position=st.none() | positions,
)


@given(
    st.lists(
        st.binary(max_size=60) | candidates.map(HashNameResponse.SerializeToString), max_size=4
    ),
    statuses(),
)
def test_client_takes_only_what_is_true(messages: list[bytes], ended: RpcStatus) -> None:
    """Whatever a server sends, the client returns verified results, or raises one of our errors."""
    search = ResumableSearch(Query("doctor"), RetryPolicy(), clock=lambda: 0.0, draw=lambda: 0.5)
    search.request()
    for wire in messages:
        with suppress(DecodeError, VerificationError):
            search.take(HashNameResponse.FromString(wire))
    assert search.found is None  # no distance of 0 is found by chance
    with suppress(StoppedError, VerificationError):
        pause = search.end(ended)
        assert pause.delay >= 0


@given(
    variant=st.sampled_from([name for name, _ in _native.VARIANTS]) | st.text(max_size=8),
    small=st.tuples(*[st.integers(-3, 600) | numbers] * 7),
    affixes=st.tuples(st.binary(max_size=200), st.binary(max_size=200)),
    alphabet=st.binary(max_size=300) | st.just(bytes(range(256))),
    symbols=st.lists(positions, max_size=80),
    padding=st.binary(max_size=80),
)
@example("", (0,) * 7, (b"", b""), b"", [], b"")
def test_binding_of_the_kernel_refuses_what_it_cannot_search(
    variant: str,
    small: tuple[int, ...],
    affixes: tuple[bytes, bytes],
    alphabet: bytes,
    symbols: list[int],
    padding: bytes,
) -> None:
    """It raises ValueError or OverflowError; no argument makes C read out of bounds."""
    algorithm, length, bits, text, first, last, ideal = small
    with suppress(ValueError, OverflowError):
        scanner = _native.prepare(
            variant,
            algorithm,
            *affixes,
            alphabet,
            length,
            bits,
            text,
            array("Q", symbols),
            padding,
            first,
            last,
            ideal,
            max(ideal, 0),
        )
        _native.scan(scanner, 0, 50, 1000, array("Q", bytes(8 * 51)), None)


@given(
    st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("utf-8", "replace"))
)
@example("[groups.a]\nmembers = ['user:*']\n[[groups.a.b]]\n")
@example("anonymous.allowed.x = 1\nanonymous = {}")
@example("a = 1979-05-27T07:32:00Z\nreflection = 07:32:00")
def test_files_of_the_operator_are_taken_or_refused(text: str) -> None:
    """This covers the policy and the token file; each error has a text."""
    for parse in (lambda each: parse_policy(each, AMPLE, anonymous_allowed=True), parse_tokens):
        try:
            parse(text)
        except AccessFileError as error:
            assert str(error)  # noqa: PT017  # nothing has to be raised


@given(
    st.dictionaries(
        st.sampled_from(["peer_uri", "peer_dns", "x509_common_name", "x509_pem_cert"]),
        st.lists(st.binary(max_size=40) | st.just(b"spiffe://a/b"), max_size=3),
    )
)
def test_names_of_certificates_are_printable_or_refused(auth: dict[str, list[bytes]]) -> None:
    """No name breaks a line of the log, or passes for a token or a gateway's user."""
    with suppress(CertificateUnknownError):
        name = name_in(auth)
        assert name is None or (name.isascii() and name.isprintable())
        assert name is None or name.startswith(("spiffe://", "dns:", "cn:"))
