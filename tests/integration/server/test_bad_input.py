"""Bad input of every kind gets a clear error, and the server keeps working."""

import random
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.server.endings import Ending, ending_of
from tests.integration.server_process import ServerProcess

METHODS = ("Find", "FindRange", "Estimate")

INVALID: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nothing at all": ({}, {"desired_name": "1 to 28"}),
    "name too long": ({"desired_name": "a" * 29}, {"desired_name": "1 to 28"}),
    "name of many bytes": ({"desired_name": "\N{FROG FACE}" * 29}, {"desired_name": "1 to 28"}),
    "no symbol of base64": ({"desired_name": "do-tor"}, {"desired_name": "distance of 1"}),
    "Kelvin sign": ({"desired_name": "\N{KELVIN SIGN}atze"}, {"desired_name": "distance of 1"}),
    "long s": (
        {"desired_name": "\N{LATIN SMALL LETTER LONG S}"},
        {"desired_name": "distance of 1"},
    ),
    "dotted I": (
        {"desired_name": "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}"},
        {"desired_name": "distance of 1"},
    ),
    "emoji": ({"desired_name": "a\N{FROG FACE}"}, {"desired_name": "distance of 1"}),
    "NUL": ({"desired_name": "a\0"}, {"desired_name": "distance of 1"}),
    "padding inside": ({"desired_name": "a=b"}, {"desired_name": "distance of 1"}),
    "padding twice": ({"desired_name": "=="}, {"desired_name": "distance of 1"}),
    "symbol that cannot be last": ({"desired_name": "b="}, {"desired_name": "distance of 1"}),
    "whole hash that cannot be": (
        {"desired_name": "-" * 28, "ideal_hamming_distance": 27},
        {"desired_name": "distance of 28"},
    ),
    "negative distances": (
        {
            "desired_name": "a",
            "ideal_hamming_distance": -1,
            "interesting_hamming_distance": -(2**31),
        },
        {"ideal_hamming_distance": "0 to 1", "interesting_hamming_distance": "0 to 1"},
    ),
    "distances above the length": (
        {
            "desired_name": "ab",
            "ideal_hamming_distance": 3,
            "interesting_hamming_distance": 2**31 - 1,
        },
        {"ideal_hamming_distance": "0 to 2", "interesting_hamming_distance": "0 to 2"},
    ),
    "no budget": ({"desired_name": "a", "maximum_hashes": 0}, {"maximum_hashes": "1 to 2^64 - 1"}),
    "interval too short": (
        {"desired_name": "a", "progress_interval": Duration(nanos=49_999_999)},
        {"progress_interval": "0.05 s to 3600 s"},
    ),
    "no interval": (
        {"desired_name": "a", "progress_interval": Duration()},
        {"progress_interval": "0.05 s to 3600 s"},
    ),
    "interval too long": (
        {"desired_name": "a", "progress_interval": Duration(seconds=3600, nanos=1)},
        {"progress_interval": "0.05 s to 3600 s"},
    ),
    "negative interval": (
        {"desired_name": "a", "progress_interval": Duration(seconds=-1)},
        {"progress_interval": "0.05 s to 3600 s"},
    ),
    "invalid interval": (
        {"desired_name": "a", "progress_interval": Duration(seconds=1, nanos=-5)},
        {"progress_interval": "nanos of 0 to 999999999"},
    ),
    "unknown hash": (
        {"desired_name": "a", "hash_algorithm": 4},
        {"hash_algorithm": "HASH_ALGORITHM_SHA_512"},
    ),
    "unknown encoding": (
        {"desired_name": "a", "digest_encoding": -1},
        {"digest_encoding": "DIGEST_ENCODING_BINARY"},
    ),
    "unknown anchor": ({"desired_name": "a", "anchor": 2**31 - 1}, {"anchor": "ANCHOR_END"}),
    "no name, and an unknown hash": (
        {"hash_algorithm": 9, "secret_length": 2000},
        {
            "desired_name": "at least 1 character",
            "hash_algorithm": "HASH_ALGORITHM_SHA_1",
            "secret_length": "0 to 1024",
        },
    ),
    "no symbol of hex": (
        {"desired_name": "doctor", "digest_encoding": 3},
        {"desired_name": "distance of 4"},
    ),
    "upper case in hex": (
        {"desired_name": "DEAD", "digest_encoding": 3, "case_sensitive": True},
        {"desired_name": "distance of 4"},
    ),
    "lower case in base32": (
        {"desired_name": "abc", "digest_encoding": 4, "case_sensitive": True},
        {"desired_name": "distance of 3"},
    ),
    "padding at an anchored end": (
        {"desired_name": "A=", "anchor": 3},
        {"desired_name": "distance of 1"},
    ),
    "symbol that cannot be the last": (
        {"desired_name": "ab", "anchor": 3},
        {"desired_name": "distance of 1"},
    ),
    "name longer than hex": (
        {"desired_name": "a" * 41, "digest_encoding": 3},
        {"desired_name": "1 to 40"},
    ),
    "name longer than SHA-256 before its padding": (
        {"desired_name": "a" * 44, "hash_algorithm": 2, "anchor": 3},
        {"desired_name": "1 to 43"},
    ),
    "bits anywhere": (
        {"desired_name": "0101", "digest_encoding": 5},
        {"anchor": "ANCHOR_START or ANCHOR_END"},
    ),
    "wildcards": ({"desired_name": "ab", "wildcard": "??"}, {"wildcard": "one character"}),
    "wildcard of the encoding": (
        {"desired_name": "ab", "wildcard": "+"},
        {"wildcard": "no character of base64"},
    ),
    "wildcard in the other case": (
        {"desired_name": "ab", "digest_encoding": 3, "wildcard": "F"},
        {"wildcard": "no character of hex"},
    ),
    "name of wildcards": (
        {"desired_name": "??", "wildcard": "?"},
        {"desired_name": "not the wildcard"},
    ),
    "prefix too long": (
        {"desired_name": "a", "secret_prefix": bytes(49153)},
        {"secret_prefix": "49152"},
    ),
    "prefix and suffix too long together": (
        {"desired_name": "a", "secret_prefix": bytes(24577), "secret_suffix": bytes(24576)},
        {"secret_prefix": "49152", "secret_suffix": "49152"},
    ),
    "byte twice": (
        {"desired_name": "a", "secret_alphabet": b"abca"},
        {"secret_alphabet": "0x61 occurs more than once"},
    ),
    "one byte": (
        {"desired_name": "a", "secret_alphabet": b"a"},
        {"secret_alphabet": "2 to 256 distinct bytes"},
    ),
    "secrets too long": (
        {"desired_name": "a", "secret_length": 1025},
        {"secret_length": "0 to 1024"},
    ),
    "start past a finite keyspace": (
        {
            "desired_name": "a",
            "secret_alphabet": b"0123456789",
            "secret_length": 3,
            "start_position": 1000,
        },
        {"start_position": "0 to 999"},
    ),
    "everything new at once": (
        {
            "desired_name": "2",
            "digest_encoding": 5,
            "wildcard": "1",
            "secret_prefix": bytes(49152),
            "secret_suffix": b"-",
            "secret_alphabet": b"aa",
            "secret_length": 2**32 - 1,
        },
        {
            "desired_name": "distance of 1",
            "anchor": "ANCHOR_START",
            "wildcard": "no character of binary",
            "secret_prefix": "49152",
            "secret_suffix": "49152",
            "secret_alphabet": "0x61",
            "secret_length": "0 to 1024",
        },
    ),
    "everything at once": (
        {
            "desired_name": "a" * 29,
            "ideal_hamming_distance": -1,
            "interesting_hamming_distance": 99,
            "maximum_hashes": 0,
            "progress_interval": Duration(seconds=10**6),
        },
        {
            "desired_name": "1 to 28",
            "ideal_hamming_distance": "0 to 28",
            "interesting_hamming_distance": "0 to 28",
            "maximum_hashes": "1 to 2^64 - 1",
            "progress_interval": "0.05 s to 3600 s",
        },
    ),
}


def ending(stub: HashFinderStub, method: str, request: HashNameRequest) -> Ending:
    """Return how a failing RPC ends."""
    calls: dict[str, Callable[[], object]] = {
        "Find": lambda: stub.Find(request),
        "FindRange": lambda: list(stub.FindRange(request)),
        "Estimate": lambda: stub.Estimate(request),
    }
    with pytest.raises(grpc.RpcError) as caught:
        calls[method]()
    return ending_of(caught.value)


def send(channel: grpc.Channel, method: str, payload: bytes) -> Ending:
    """Return how an RPC with the raw bytes `payload` ends."""
    call: Any = channel.unary_unary(method)
    with pytest.raises(grpc.RpcError) as caught:
        call(payload, timeout=20)
    return ending_of(caught.value)


def assert_healthy(server: ServerProcess) -> None:
    """The server still finds a name, and has logged no fault."""
    with server.stub() as stub:
        assert "AMA=" == stub.Find(HashNameRequest(desired_name="doc")).secret
    assert [] == [line for line in server.logs() if line["level"] == "error"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("fields", "violations"), INVALID.values(), ids=INVALID.keys())
def test_every_violation_is_named_with_its_range(
    stub: HashFinderStub, fields: dict[str, Any], violations: dict[str, str], method: str
) -> None:
    """INVALID_ARGUMENT lists each invalid field once, with its range, and no valid one."""
    end = ending(stub, method, HashNameRequest(**fields))

    assert "INVALID_REQUEST" == end.reason
    named = {v.field: v.description for v in end.details["BadRequest"].field_violations}
    assert violations.keys() == named.keys()
    assert len(named) == len(end.details["BadRequest"].field_violations)
    for field, allowed in violations.items():
        assert allowed in named[field]


@pytest.mark.parametrize(
    "fields",
    [
        {"desired_name": "a" * 28, "ideal_hamming_distance": 28},
        {"desired_name": "\N{FROG FACE}", "ideal_hamming_distance": 1},
        {"desired_name": "K", "interesting_hamming_distance": 1},
        {"desired_name": "A=", "progress_interval": Duration(nanos=50_000_000)},
        {"desired_name": "+", "progress_interval": Duration(seconds=3600)},
        {"desired_name": "/", "start_position": 2**64 - 1 - 2**20},
        {"desired_name": "0", "maximum_hashes": 2**64 - 1},
    ],
    ids=str,
)
def test_limits_are_inclusive(stub: HashFinderStub, fields: dict[str, Any]) -> None:
    """The ranges of the contract include their limits."""
    assert 28 == len(stub.Find(HashNameRequest(**fields)).hashed_name)


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xff\xff",
        b"\x0a\x05abc",  # shorter than its length prefix says
        b"\x0a\x02\xc3\x28",  # invalid UTF-8
        b"\x32\x01\xff",  # not a Duration
        b"\x0b\x0b\x0b",  # nested groups without an end
    ],
    ids=bytes.hex,
)
@pytest.mark.parametrize("method", METHODS)
def test_undecodable_request_is_the_clients_fault(
    server: ServerProcess, payload: bytes, method: str
) -> None:
    """Undecodable requests end INVALID_ARGUMENT with a reason of their own."""
    with server.channel() as channel:
        end = send(channel, f"/hash_name.HashFinder/{method}", payload)

    assert "INVALID_ARGUMENT" == end.code.name
    assert "UNDECODABLE_REQUEST" == end.reason
    assert {"ErrorInfo"} == set(end.details)


@pytest.mark.parametrize(
    ("method", "payload", "code"),
    [
        ("/hash_name.HashFinder/Find", b"\x0a\xff\xff\x04" + b"a" * 70_000, "RESOURCE_EXHAUSTED"),
        ("/hash_name.HashFinder/FindAll", b"", "UNIMPLEMENTED"),
        ("/hash_name.NameFinder/Find", b"", "UNIMPLEMENTED"),
        ("/", b"", "UNIMPLEMENTED"),
        ("/a/b/c/d", b"", "UNIMPLEMENTED"),
    ],
    ids=["oversized", "unknown method", "unknown service", "no method", "strange path"],
)
def test_requests_refused_by_grpc_end_with_its_status(
    server: ServerProcess, method: str, payload: bytes, code: str
) -> None:
    """Oversized requests and unknown methods end with gRPC's status; the server keeps serving."""
    before = server.samples()
    with server.channel() as channel:
        assert code == send(channel, method, payload).code.name

    assert_healthy(server)
    series = server.samples().keys() - before.keys()
    assert set() == {name for name, _ in series}, "method names of clients make no new series"


def test_server_survives_thousands_of_bad_calls(
    server: ServerProcess, chance: random.Random
) -> None:
    """Concurrent requests of random bytes each get a status."""
    allowed = {"INVALID_ARGUMENT", "UNIMPLEMENTED", "DEADLINE_EXCEEDED", "OK"}
    with server.channel() as channel:
        methods: list[Any] = [
            channel.unary_unary(f"/hash_name.HashFinder/{method}")
            for method in ("Find", "FindRange", "Lose")
        ]
        calls = [
            chance.choice(methods).future(chance.randbytes(chance.randint(0, 60)), timeout=20)
            for _ in range(3000)
        ]
        codes = [call.code().name for call in calls]

    assert set(codes) <= allowed
    assert codes.count("INVALID_ARGUMENT") > 1000
    assert_healthy(server)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the beginning of a TLS handshake
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 500,
        bytes(range(256)) * 100,
    ],
    ids=["nothing", "HTTP/1", "TLS", "preface", "bad frames", "noise"],
)
def test_server_survives_bytes_that_are_not_grpc(server: ServerProcess, sent: bytes) -> None:
    """Whatever arrives over TCP, the server keeps serving and logs only JSON."""
    host, _, port = server.address.rpartition(":")
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(sent)

    assert_healthy(server)


def test_call_without_one_message_ends(server: ServerProcess) -> None:
    """A call that sends no message, or two, ends by its deadline at the latest."""
    request = HashNameRequest(desired_name="a").SerializeToString()
    with server.channel() as channel:
        call: Any = channel.stream_unary("/hash_name.HashFinder/Find")
        for messages in ([], [request, request]):
            with suppress(grpc.RpcError):
                call(iter(messages), timeout=1)

    assert_healthy(server)
