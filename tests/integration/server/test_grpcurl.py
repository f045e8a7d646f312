"""The service called by grpcurl, which learns it by reflection."""

import json
import subprocess
from typing import Any

import pytest

from tests.integration.server_process import ServerProcess

pytestmark = pytest.mark.tools


def grpcurl(
    server: ServerProcess, *arguments: str, flags: tuple[str, ...] = (), data: object = None
) -> tuple[int, str, str]:
    """Run grpcurl against the server; return its exit code, its output and its errors."""
    sent = () if data is None else ("-d", json.dumps(data))
    ended = subprocess.run(
        ["grpcurl", "-plaintext", *flags, *sent, server.address, *arguments],  # noqa: S607  # from PATH
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def documents(text: str) -> list[dict[str, Any]]:
    """Return the JSON documents of a stream."""
    decoder = json.JSONDecoder()
    found: list[dict[str, Any]] = []
    while text := text.strip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


def test_list(server: ServerProcess) -> None:
    """All services are listed."""
    code, out, err = grpcurl(server, "list")

    assert (
        0,
        [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "hash_name.HashFinder",
        ],
        "",
    ) == (code, out.splitlines(), err)


@pytest.mark.parametrize(
    ("symbol", "shown"),
    [
        ("hash_name.HashFinder", "returns ( stream .hash_name.HashNameResponse )"),
        ("hash_name.HashFinder.Find", "rpc Find ( .hash_name.HashNameRequest )"),
        ("hash_name.HashNameRequest", "optional uint64 start_position = 4;"),
        ("hash_name.SearchProgress", ".hash_name.Candidate best_candidate = 4;"),
        ("google.rpc.ErrorInfo", "map<string, string> metadata = 3;"),
        ("google.rpc.QuotaFailure", "message QuotaFailure"),
        ("grpc.reflection.v1.ServerReflection", "rpc ServerReflectionInfo"),
    ],
)
def test_describe(server: ServerProcess, symbol: str, shown: str) -> None:
    """Services, methods, messages and the types of error details are described."""
    code, out, err = grpcurl(server, "describe", symbol)

    assert (0, "") == (code, err)
    assert shown in out


def test_find(server: ServerProcess) -> None:
    """A unary call returns a result."""
    code, out, _ = grpcurl(server, "hash_name.HashFinder/Find", data={"desired_name": "doc"})

    assert 0 == code
    assert {
        "secret": "AMA=",
        "hashed_name": "ZYvtebqCYl1QlrawCSGxXs9docE=",
        "position": "449",
    } == json.loads(out)


def test_find_range_with_progress(server: ServerProcess) -> None:
    """A stream shows results and progress, until the deadline."""
    request = {
        "desired_name": "hopelessly",
        "interesting_hamming_distance": 7,
        "progress_interval": "0.1s",
    }
    code, out, err = grpcurl(
        server, "hash_name.HashFinder/FindRange", flags=("-max-time", "1"), data=request
    )

    assert 64 + 4 == code  # DEADLINE_EXCEEDED
    assert "DeadlineExceeded" in err
    messages = documents(out)
    assert any("progress" in message for message in messages)
    assert any("hashed_name" in message for message in messages)


def test_error_details_are_decoded(server: ServerProcess) -> None:
    """Every detail of an error is printed by its type, with its fields."""
    request = {"desired_name": "hopeless", "maximum_hashes": 1000}
    code, _, err = grpcurl(
        server, "hash_name.HashFinder/Find", flags=("-format-error",), data=request
    )

    assert 64 + 8 == code  # RESOURCE_EXHAUSTED
    details = {detail["@type"].rpartition("/")[2]: detail for detail in json.loads(err)["details"]}
    assert {
        "google.rpc.ErrorInfo",
        "google.rpc.QuotaFailure",
        "hash_name.SearchProgress",
    } == details.keys()
    assert "HASH_BUDGET_EXHAUSTED" == details["google.rpc.ErrorInfo"]["reason"]
    progress = details["hash_name.SearchProgress"]
    assert "1000" == progress["next_position"]
