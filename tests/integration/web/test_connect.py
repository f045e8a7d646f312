"""The Connect protocol: unary calls by POST and GET, streams, and invalid input of every kind."""

import json
from base64 import b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote

import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import BadRequest

from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse, SearchEstimate
from tests.integration.gateway_process import (
    SERVICE_PATH,
    GatewayProcess,
    envelope,
    envelopes,
)

_STREAM = SERVICE_PATH + "FindRange"
_STREAM_JSON = {"content-type": "application/connect+json"}


def test_unary_call_in_json(gateway: GatewayProcess) -> None:
    """A distance of 0 is present; the request id and the kernel are in the headers."""
    response, answer = gateway.call("Find", {"desiredName": "dad"}, x_request_id="mine.1")

    assert (200, "application/json") == (response.status, response.headers["content-type"])
    assert (0, "1806") == (answer["hammingDistance"], answer["position"])
    assert "mine.1" == response.headers["x-request-id"]
    assert response.headers["trailer-x-hashfinder-kernel"]


def test_unary_call_in_protobuf(gateway: GatewayProcess) -> None:
    """The response uses the codec of the request."""
    request = HashNameRequest(desired_name="dad", start_position=1807)
    response, answer = gateway.request(
        "POST",
        SERVICE_PATH + "Find",
        request.SerializeToString(),
        {"content-type": "application/proto", "connect-protocol-version": "1"},
    )

    assert (200, "application/proto") == (response.status, response.headers["content-type"])
    assert HashNameResponse.FromString(answer).position > 1806


@pytest.mark.parametrize(
    "query",
    [
        "connect=v1&encoding=json&message=" + quote('{"desiredName":"dad"}'),
        "encoding=json&base64=1&message=eyJkZXNpcmVkTmFtZSI6ImRhZCJ9",
        "encoding=proto&base64=1&message="
        + urlsafe_b64encode(HashNameRequest(desired_name="dad").SerializeToString())
        .decode()
        .rstrip("="),
    ],
)
def test_unary_call_by_get(gateway: GatewayProcess, query: str) -> None:
    """GET works for methods that the contract declares free of side effects."""
    response, answer = gateway.request("GET", f"{SERVICE_PATH}Estimate?{query}")

    assert 200 == response.status, answer
    if "encoding=proto" in query:
        chance = SearchEstimate.FromString(answer).chance
    else:
        chance = json.loads(answer)["chance"]
    assert 0 < chance < 0.001


@pytest.mark.parametrize(
    "query",
    [
        "",
        "encoding=json",
        "message={}",
        "encoding=xml&message={}",
        "connect=v2&encoding=json&message={}",
        "encoding=json&base64=1&message=a",
        "encoding=json&base64=1&message=%FF%FF",
        "encoding=json&base64=1&message=%FFeyJkZXNpcmVkTmFtZSI6ImRhZCJ9",
        "encoding=json&base64=yes&message={}",
        "encoding=json&message={}&message={}",
        "&".join(["a=1"] * 20),
    ],
)
def test_invalid_query_of_a_get(gateway: GatewayProcess, query: str) -> None:
    """The error is invalid_argument."""
    response, answer = gateway.request("GET", f"{SERVICE_PATH}Find?{query}")

    assert (400, "invalid_argument") == (response.status, json.loads(answer)["code"])


def test_stream_in_json(gateway: GatewayProcess) -> None:
    """Each message is in an envelope; the last envelope has the trailer."""
    body = envelope(b'{"desiredName":"dad","interestingHammingDistance":1}')
    response, answer = gateway.request("POST", _STREAM, body, _STREAM_JSON)

    assert (200, _STREAM_JSON["content-type"]) == (
        response.status,
        response.headers["content-type"],
    )
    *messages, (flags, end) = envelopes(answer)
    assert 2 == flags
    assert "error" not in end
    assert end["metadata"]["x-hashfinder-kernel"]
    assert {0} == {flags for flags, _ in messages}
    assert 0 == messages[-1][1]["hammingDistance"]


def test_stream_in_protobuf(gateway: GatewayProcess) -> None:
    """Only the last envelope is JSON."""
    body = envelope(HashNameRequest(desired_name="dad").SerializeToString())
    headers = {"content-type": "application/connect+proto"}
    _, answer = gateway.request("POST", _STREAM, body, headers)

    length = int.from_bytes(answer[1:5], "big")
    assert 1806 == HashNameResponse.FromString(answer[5 : 5 + length]).position
    assert 2 == answer[5 + length]


def test_error_details_are_encoded_and_readable(gateway: GatewayProcess) -> None:
    """The bytes are base64 without padding, as the protocol requires."""
    response, error = gateway.call("Find", {"desiredName": "", "maximumHashes": "0"})

    assert (400, "invalid_argument") == (response.status, error["code"])
    details = {each["type"]: each for each in error["details"]}
    bad = details["google.rpc.BadRequest"]
    padded = bad["value"] + "=" * (-len(bad["value"]) % 4)
    message = BadRequest.FromString(b64decode(padded))
    assert MessageToDict(message) == bad["debug"]
    fields = [each["field"] for each in bad["debug"]["fieldViolations"]]
    assert ["desired_name", "maximum_hashes"] == fields
    assert "INVALID_REQUEST" == details["google.rpc.ErrorInfo"]["debug"]["reason"]


def test_error_of_a_stream_is_in_its_end(gateway: GatewayProcess) -> None:
    """It includes the details that say where to resume."""
    body = envelope(b'{"desiredName":"robots","maximumHashes":"1000"}')
    response, answer = gateway.request("POST", _STREAM, body, _STREAM_JSON)

    ((flags, end),) = envelopes(answer)
    assert (200, 2) == (response.status, flags)
    assert "resource_exhausted" == end["error"]["code"]
    details = {each["type"]: each.get("debug") for each in end["error"]["details"]}
    assert "1000" == details["hash_name.SearchProgress"]["nextPosition"]


def test_timeout_is_the_deadline(gateway: GatewayProcess) -> None:
    """A call that takes longer ends with deadline_exceeded, unary or stream."""
    response, error = gateway.call("Find", {"desiredName": "hopelessly"}, connect_timeout_ms="300")
    assert (504, "deadline_exceeded") == (response.status, error["code"])

    body = envelope(b'{"desiredName":"hopelessly"}')
    headers = {**_STREAM_JSON, "connect-timeout-ms": "300"}
    _, answer = gateway.request("POST", _STREAM, body, headers)
    assert "deadline_exceeded" == envelopes(answer)[-1][1]["error"]["code"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"connect-timeout-ms": "soon"}, 400, "invalid_argument"),
        ({"connect-timeout-ms": "-1"}, 400, "invalid_argument"),
        ({"connect-timeout-ms": "12345678901"}, 400, "invalid_argument"),
        ({"connect-timeout-ms": "\u0661"}, 400, "invalid_argument"),
        ({"connect-protocol-version": "2"}, 400, "invalid_argument"),
        ({"content-encoding": "gzip"}, 501, "unimplemented"),
        ({"connect-content-encoding": "gzip"}, 501, "unimplemented"),
    ],
)
def test_invalid_headers(
    gateway: GatewayProcess, headers: dict[str, str], status: int, code: str
) -> None:
    """The error is the protocol's, in JSON."""
    raw = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    response, answer = gateway.request(
        "POST",
        SERVICE_PATH + "Find",
        b'{"desiredName":"dad"}',
        {"content-type": "application/json", **raw},
    )

    assert (status, code) == (response.status, json.loads(answer)["code"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"desiredName":"\xff"}',
        b'{"desired":"dad"}',
        b'{"desiredName":1}',
        b'{"idealHammingDistance":1e99}',
        b'{"startPosition":-1}',
        b'{"startPosition":"18446744073709551616"}',
        b'{"hashAlgorithm":"MD5"}',
        b'{"desiredName":"a","desiredName":"b"}',
        b'{"secretPrefix":"a"}',
        b'{"secretPrefix":"****"}',
        b'{"secret_alphabet":"YW Jj"}',
        b'{"desiredName":"\\ud800"}',
        b'{"progressInterval":"1e9s"}',
        b'{"maximumHashes":NaN}',
        b'{"maximumHashes":1e400}',
        b'{"startPosition":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 20_000,
    ],
    ids=lambda body: repr(body[:24]),
)
@pytest.mark.parametrize("kind", ["unary", "stream"])
def test_invalid_bodies(gateway: GatewayProcess, body: bytes, kind: str) -> None:
    """The error names the message, in the format of the kind of call."""
    if kind == "unary":
        response, answer = gateway.request(
            "POST", SERVICE_PATH + "Find", body, {"content-type": "application/json"}
        )
        error: Any = json.loads(answer)
        assert 400 == response.status
    else:
        _, answer = gateway.request("POST", _STREAM, envelope(body), _STREAM_JSON)
        error = envelopes(answer)[-1][1]["error"]

    assert "invalid_argument" == error["code"]
    assert "HashNameRequest" in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0\0",
        b"\0\0\0\0\xff{}",
        b"\x01" + envelope(b"{}")[1:],
        b"\x02" + envelope(b"{}")[1:],
        envelope(b"{}") + envelope(b"{}"),
        b"\0\xff\xff\xff\xff",
    ],
)
def test_streams_whose_request_is_not_one_envelope(gateway: GatewayProcess, body: bytes) -> None:
    """The HTTP status of a stream is always 200."""
    response, answer = gateway.request("POST", _STREAM, body, _STREAM_JSON)

    ((flags, end),) = envelopes(answer)
    assert (200, 2, "invalid_argument") == (response.status, flags, end["error"]["code"])


@pytest.mark.parametrize("name", ["content-encoding", "connect-content-encoding"])
def test_compressed_streams(gateway: GatewayProcess, name: str) -> None:
    """Refused, by whichever header: the error names the one encoding that is supported."""
    headers = {**_STREAM_JSON, name: "gzip"}
    _, answer = gateway.request("POST", _STREAM, envelope(b'{"desiredName":"dad"}'), headers)

    ((_, end),) = envelopes(answer)
    assert ("unimplemented", "the one compression supported is identity") == (
        end["error"]["code"],
        end["error"]["message"],
    )


def test_undecodable_protobuf(gateway: GatewayProcess) -> None:
    """It is the client's fault as well."""
    headers = {"content-type": "application/proto"}
    response, answer = gateway.request("POST", SERVICE_PATH + "Find", b"\xff\xff", headers)

    assert (400, "invalid_argument") == (response.status, json.loads(answer)["code"])


@pytest.mark.parametrize(
    ("method", "path", "content_type", "status", "header"),
    [
        ("POST", "Find", "text/plain", 415, ("accept-post", "application/json")),
        ("POST", "Find", "application/connect+json", 415, ("accept-post", "application/json")),
        ("POST", "FindRange", "application/json", 415, ("accept-post", "application/connect+json")),
        ("PUT", "Find", "application/json", 405, ("allow", "GET, POST")),
        ("GET", "FindRange", "application/json", 405, ("allow", "POST")),
        ("OPTIONS", "Find", "application/json", 405, ("allow", "GET, POST")),
        ("POST", "Nothing", "application/json", 404, ("content-type", "text/plain")),
    ],
)
def test_requests_outside_the_protocol(
    gateway: GatewayProcess,
    method: str,
    path: str,
    content_type: str,
    status: int,
    header: tuple[str, str],
) -> None:
    """They get a plain HTTP status, with the header that it requires."""
    response, _ = gateway.request(
        method, SERVICE_PATH + path, b"{}", {"content-type": content_type}
    )

    assert status == response.status
    assert response.headers[header[0]].startswith(header[1])
