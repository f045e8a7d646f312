"""The client's verification of results."""

from base64 import b64encode
from hashlib import sha1, sha256

import pytest

from hashfinder_client.errors import VerificationError
from hashfinder_client.query import Query
from hashfinder_client.verification import Verifier, check
from hashfinder_proto.hash_name_pb2 import Candidate, HashNameResponse
from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme


def valid_response(secret: bytes, distance: int, position: int | None = None) -> HashNameResponse:
    """Return a response about `secret` with its real hash."""
    return HashNameResponse(
        secret=b64encode(secret).decode(),
        hashed_name=b64encode(sha1(secret, usedforsecurity=False).digest()).decode(),
        hamming_distance=distance,
        position=position,
    )


def test_valid_results() -> None:
    """Valid results pass, with their derived values."""
    result = check(Query("2JMX"), valid_response(b"", 1))

    assert (b"", "", 1, 0, 0) == (
        result.secret,
        result.secret_text,
        result.distance,
        result.position,
        result.offset,
    )
    assert result == check(Query("2jmx"), valid_response(b"", 1, position=0))
    hashed_name = "2jmj7l5rSw0yVb/vlWAYkK/YBwk="
    assert result == check(Query("2jmx"), Candidate(hashed_name=hashed_name, hamming_distance=1))


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (valid_response(b"", 0), "its distance is 1"),
        (valid_response(b"", 1, position=1), "its position is 0"),
        (HashNameResponse(), "its hash is"),
    ],
)
def test_invalid_response_is_refused(response: HashNameResponse, message: str) -> None:
    """The error says what is wrong."""
    with pytest.raises(VerificationError, match=message):
        check(Query("2jmx"), response)


@pytest.mark.parametrize("secret", ["AAAA AAAA", "AAA", "\N{SNOWMAN}"])
def test_invalid_base64(secret: str) -> None:
    """Only strict base64 is accepted as a secret."""
    with pytest.raises(VerificationError, match="is not base64"):
        check(Query("2jmx"), HashNameResponse(secret=secret))


@pytest.mark.parametrize("name", ["x" * 29, "x" * 10_000])
def test_name_too_long(name: str) -> None:
    """A name longer than a hash can have no valid result."""
    with pytest.raises(VerificationError, match="no hash has more than 28"):
        check(Query(name), valid_response(b"", 0))


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([9], "before 10"),
        ([30], "not below 30"),
        ([10, 10], "before 11"),
        ([29, 28], "before 30"),
    ],
)
def test_range_and_order(positions: list[int], message: str) -> None:
    """Results must come from the requested range, in order of position."""
    query = Query("=", start_position=10, maximum_hashes=20)
    verifier = Verifier(query)
    responses = [valid_response(bytes([p - 1]), 0, position=p) for p in positions]

    for response in responses[:-1]:
        verifier.result(response)
    with pytest.raises(VerificationError, match=message):
        verifier.result(responses[-1])


def test_no_order_without_positions() -> None:
    """Without positions no order is required."""
    verifier = Verifier(Query("=", start_position=10))

    assert [7, 3] == [verifier.result(valid_response(bytes([n]), 0)).position - 1 for n in (7, 3)]


@pytest.mark.parametrize(
    ("ideal", "inferior", "is_allowed"),
    [(0, None, False), (1, None, True), (0, 1, True), (1, 0, True), (0, 0, False)],
)
def test_distance_asked_for(ideal: int, inferior: int | None, *, is_allowed: bool) -> None:
    """A result is within the ideal or the inferior distance; a best candidate need not be."""
    query = Query("2jmx", ideal_distance=ideal, inferior_distance=inferior)
    verifier = Verifier(query)

    if is_allowed:
        assert 1 == verifier.result(valid_response(b"", 1)).distance
    else:
        with pytest.raises(VerificationError, match="more than was asked for"):
            verifier.result(valid_response(b"", 1))
    hashed_name = "2jmj7l5rSw0yVb/vlWAYkK/YBwk="
    candidate = Candidate(hashed_name=hashed_name, hamming_distance=1)
    assert 1 == verifier.candidate(candidate).distance


HEX_ZEROS = Query(
    "0_",
    scheme=Scheme(Algorithm.SHA256, Encoding.HEX, Anchor.START, wildcard="_"),
    keyspace=Keyspace(b"0123456789", 4),
    secret_prefix=b"challenge:",
    secret_suffix=b"!",
)


def claim(secret: bytes, *, message: bytes, distance: int, position: int) -> HashNameResponse:
    """Return a response whose hash is that of `message`."""
    return HashNameResponse(
        secret=b64encode(secret).decode(),
        hashed_name=sha256(message).hexdigest(),
        hamming_distance=distance,
        position=position,
    )


def test_whole_request_is_verified() -> None:
    """The hash includes prefix and suffix, and the position is that of the keyspace."""
    secret = next(
        secret
        for secret in (f"{number:04}".encode() for number in range(10_000))
        if sha256(b"challenge:" + secret + b"!").hexdigest()[0] == "0"
    )
    response = claim(
        secret, message=b"challenge:" + secret + b"!", distance=0, position=int(secret)
    )
    match = Verifier(HEX_ZEROS).result(response)
    assert (secret, 0, int(secret), 0) == (
        match.secret,
        match.distance,
        match.position,
        match.offset,
    )


@pytest.mark.parametrize(
    ("secret", "message", "reason"),
    [
        (b"0000", b"0000", "its hash is"),
        (b"00000", b"challenge:00000!", "outside the keyspace"),
        (b"000x", b"challenge:000x!", "not in the alphabet"),
    ],
)
def test_answers_to_another_request_are_refused(secret: bytes, message: bytes, reason: str) -> None:
    """A server that does not know all fields searches for something else."""
    with pytest.raises(VerificationError, match=reason):
        check(HEX_ZEROS, claim(secret, message=message, distance=0, position=0))
