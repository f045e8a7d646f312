"""Every way in which a server can end a search, as a user of the command line sees it."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, QuotaFailure, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from hashfinder_proto.hash_name_pb2 import (
    Candidate,
    HashNameRequest,
    HashNameResponse,
    SearchProgress,
)
from tests.integration.scripted import Run, Script, ServeScript, hash_of, valid_response

EMPTY_HASH = hash_of(b"")
"""2jmj7l5rSw0yVb/vlWAYkK/YBwk="""
RETRY = RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000))
PROGRESS = SearchProgress(
    hashes_computed=5000,
    next_position=5000,
    hashes_per_second=1e6,
    best_candidate=Candidate(secret="", hashed_name=EMPTY_HASH, hamming_distance=1, position=0),
)
NAME = "2jmx"
"""A name at distance 1 from the hash of position 0."""
TRUE = valid_response(NAME, position=0)
RESUME = f"hashfinder find --server SERVER --start-position 5000 {NAME}"


def aborting(code: grpc.StatusCode, text: str, reason: str = "", *details: Message) -> Script:
    """Return a script that aborts, with rich details if there is a reason."""

    def script(_: HashNameRequest, context: grpc.ServicerContext) -> Iterator[HashNameResponse]:
        yield from ()
        if not reason:
            context.abort(code, text)
        status = Status(code=code.value[0], message=text)
        for detail in [ErrorInfo(domain="hashfinder", reason=reason), *details]:
            packed = PackedAny()
            packed.Pack(detail)
            status.details.append(packed)
        context.abort_with_status(rpc_status.to_status(status))

    return script


ROWS = {
    "budget": (
        aborting(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "spent",
            "HASH_BUDGET_EXHAUSTED",
            QuotaFailure(),
            PROGRESS,
        ),
        3,
        (
            "Nothing found: the budget was spent after 5,000 hashes.\n"
            f"Best so far: distance 1 at position 0, hash {EMPTY_HASH}, secret (empty).\n"
            f"To continue, resume with --start-position 5000:\n  {RESUME}\n"
        ),
    ),
    "end of the keyspace": (
        aborting(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "spent",
            "HASH_BUDGET_EXHAUSTED",
            SearchProgress(hashes_computed=10),
        ),
        3,
        (
            "Nothing found: the budget was spent after 10 hashes.\n"
            "The last position has been searched; nothing is left.\n"
        ),
    ),
    "quota": (
        aborting(
            grpc.StatusCode.RESOURCE_EXHAUSTED, "x", "CLIENT_QUOTA_EXHAUSTED", RETRY, PROGRESS
        ),
        7,
        (
            "Your share of the server's hash rate is used up. Try again in 2.5 s.\n"
            f"To continue, resume with --start-position 5000:\n  {RESUME}\n"
        ),
    ),
    "too many": (
        aborting(grpc.StatusCode.RESOURCE_EXHAUSTED, "x", "TOO_MANY_SEARCHES", RETRY),
        7,
        "You have reached the server's limit of searches for one client. Try again in 2.5 s.\n",
    ),
    "overload": (
        aborting(grpc.StatusCode.RESOURCE_EXHAUSTED, "x", "SERVER_OVERLOADED", RETRY),
        7,
        "The server has reached its limit of searches. Try again in 2.5 s.\n",
    ),
    "time limit": (
        aborting(grpc.StatusCode.RESOURCE_EXHAUSTED, "x", "TIME_LIMIT_REACHED", RETRY, PROGRESS),
        3,
        (
            "Nothing found within the time limit of the server at SERVER. "
            "Try again in 2.5 s.\n"
            f"To continue, resume with --start-position 5000:\n  {RESUME}\n"
        ),
    ),
    "draining": (
        aborting(grpc.StatusCode.UNAVAILABLE, "x", "SERVER_DRAINING", RETRY, PROGRESS),
        5,
        (
            "The server at SERVER is shutting down. Try again in 2.5 s, or another server.\n"
            f"To continue, resume with --start-position 5000:\n  {RESUME}\n"
        ),
    ),
    "invalid": (
        aborting(
            grpc.StatusCode.INVALID_ARGUMENT,
            "x",
            "INVALID_REQUEST",
            BadRequest(
                field_violations=[
                    BadRequest.FieldViolation(field=field, description=f"must be {field[0]}")
                    for field in HashNameRequest.DESCRIPTOR.fields_by_name
                ]
            ),
        ),
        6,
        (
            "The server refused the request:\n"
            "  NAME: must be d\n"
            "  --ideal-distance: must be i\n"
            "  --show-inferior: must be i\n"
            "  --start-position: must be s\n"
            "  --maximum-hashes: must be m\n"
            "  --progress-interval: must be p\n"
            "  --algorithm: must be h\n"
            "  --encoding: must be d\n"
            "  --anchor: must be a\n"
            "  --case-sensitive: must be c\n"
            "  --wildcard: must be w\n"
            "  --secret-prefix: must be s\n"
            "  --secret-suffix: must be s\n"
            "  --alphabet: must be s\n"
            "  --secret-length: must be s\n"
        ),
    ),
    "undecodable": (
        aborting(grpc.StatusCode.INVALID_ARGUMENT, "no message", "UNDECODABLE_REQUEST"),
        6,
        "The server refused the request: no message\n",
    ),
    "fault": (
        aborting(grpc.StatusCode.INTERNAL, "x", "INTERNAL_ERROR", RequestInfo(request_id="r-1")),
        1,
        "The server failed; your request is valid.\nReport the request id r-1 to its operator.\n",
    ),
    "control characters": (
        aborting(grpc.StatusCode.UNKNOWN, "\x1b[31mred\x07 alert"),
        1,
        "The server ended the search with UNKNOWN: ?[31mred? alert\n",
    ),
    "no service": (
        aborting(grpc.StatusCode.UNIMPLEMENTED, "x"),
        1,
        "The server at SERVER offers no such search.\n",
    ),
    "full without details": (
        aborting(grpc.StatusCode.RESOURCE_EXHAUSTED, "limit exceeded"),
        7,
        "The server at SERVER has no room for the request: limit exceeded\n",
    ),
    "foreign domain": (
        aborting(grpc.StatusCode.CANCELLED, "hash limit"),
        1,
        "The server ended the search with CANCELLED: hash limit\n",
    ),
}


@pytest.mark.parametrize(("script", "code", "stderr"), ROWS.values(), ids=ROWS)
def test_status(
    call: Run, serve_script: ServeScript, script: Script, code: int, stderr: str
) -> None:
    """Each status becomes an exit code and a sentence; stdout stays empty."""
    server = serve_script(script)

    done = call("find", NAME, "--server", server)

    assert (code, "") == (done.returncode, done.stdout)
    assert stderr.replace("SERVER", server) == done.stderr


@pytest.mark.parametrize("row", ["budget", "fault"])
def test_status_of_a_stream(call: Run, serve_script: ServeScript, row: str) -> None:
    """A stream ends like a plain search; with --progress, an estimate comes first."""
    script, code, stderr = ROWS[row]
    server = serve_script(script)

    done = call("find", NAME, "--progress", "--server", server)

    assert (code, "") == (done.returncode, done.stdout)
    expected = stderr.replace("hashfinder find", "hashfinder find --progress").replace(
        "SERVER", server
    )
    estimate, _, rest = done.stderr.partition("\n")
    assert re.match(r"1 in \S+ k; half of such searches end within ", estimate)
    assert expected == rest


def test_json_end(call: Run, serve_script: ServeScript) -> None:
    """With --json the end is an object that a program can resume from."""
    server = serve_script(ROWS["budget"][0])

    done = call("find", NAME, "--json", "--server", server)

    end = json.loads(done.stdout)
    assert "Nothing found" in end.pop("message")
    assert {
        "type": "end",
        "exit_code": 3,
        "status": "RESOURCE_EXHAUSTED",
        "reason": "HASH_BUDGET_EXHAUSTED",
        "next_position": 5000,
        "next_position_text": "5000",
        "best_candidate": {
            "secret": "",
            "secret_hex": "",
            "secret_text": "",
            "hashed_name": EMPTY_HASH,
            "distance": 1,
            "position": 0,
            "position_text": "0",
        },
        "retry_after_seconds": None,
        "request_id": None,
        "kernel": None,
    } == end


def test_progress_and_results_as_json(call: Run, serve_script: ServeScript) -> None:
    """Reports, results and the end are written as objects, in the order in which they happened."""

    def script(request: HashNameRequest, _: grpc.ServicerContext) -> Iterator[HashNameResponse]:
        assert 250_000_000 == request.progress_interval.ToNanoseconds()
        assert 1 == request.ideal_hamming_distance
        yield HashNameResponse(progress=PROGRESS)
        yield TRUE

    options = ["--progress-interval", "0.25", "--ideal-distance", "1", "--json"]
    done = call("find", NAME, *options, "--server", serve_script(script))

    assert (0, "") == (done.returncode, done.stderr)
    progress, result, end = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["progress", "result", "end"] == [progress["type"], result["type"], end["type"]]
    assert (5000, 5000) == (progress["hashes_computed"], progress["next_position"])
    assert 0 < progress["chance"] < 1
    assert (0, True) == (result["position"], result["is_ideal"])


def test_progress_in_a_file(call: Run, serve_script: ServeScript) -> None:
    """Without a terminal each report is a line on stderr; stdout has only the result."""

    def script(_: HashNameRequest, __: grpc.ServicerContext) -> Iterator[HashNameResponse]:
        yield HashNameResponse(progress=PROGRESS)
        yield TRUE

    options = ["--progress", "--ideal-distance", "1"]
    done = call("find", NAME, *options, "--server", serve_script(script))

    assert (0, f"1\t0\t\t{EMPTY_HASH}\n") == (done.returncode, done.stdout)
    assert re.fullmatch(
        r"1 in .*\n2jmx  [0-9.]+ s  1\.0 M/s  5\.0 k hashes  at 5000  best 1  chance 100 %\n",
        done.stderr,
    )


LIES: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "hash": ({"hashed_name": EMPTY_HASH.swapcase()}, [], "hash is"),
    "no base64": ({"secret": "\x1b]0;"}, [], "not base64"),
    "distance": ({"hamming_distance": 0}, [], "distance is 1"),
    "nothing": ({"hashed_name": "", "position": None}, [], "hash is"),
    "not close": ({}, ["--ideal-distance", "0"], "more than was asked for"),
}


def changed(response: HashNameResponse, fields: dict[str, Any]) -> HashNameResponse:
    """Return a copy of `response` with other `fields`; None clears one."""
    kept = {field.name: value for field, value in response.ListFields()}
    return HashNameResponse(**kept | fields)


@pytest.mark.parametrize(("lie", "options", "stderr"), LIES.values(), ids=LIES)
def test_untrue_result(
    call: Run,
    serve_script: ServeScript,
    ended: threading.Event,
    lie: dict[str, Any],
    options: list[str],
    stderr: str,
) -> None:
    """A wrong result is not shown; it ends the search, and the reason is printed."""

    def script(_: HashNameRequest, context: grpc.ServicerContext) -> Iterator[HashNameResponse]:
        context.add_callback(ended.set)
        yield changed(TRUE, lie)
        ended.wait(30)

    asked = ["find", NAME, "--progress", "--ideal-distance", "1", *options]
    done = call(*asked, "--server", serve_script(script))

    assert ended.wait(10)
    assert (8, "") == (done.returncode, done.stdout)
    assert stderr in done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("second", [TRUE, valid_response(NAME)], ids=["known", "unknown"])
def test_results_out_of_order(
    call: Run, serve_script: ServeScript, second: HashNameResponse
) -> None:
    """If a server reports positions, results must come in order."""

    def script(_: HashNameRequest, __: grpc.ServicerContext) -> Iterator[HashNameResponse]:
        yield TRUE
        yield second

    done = call("find", NAME, "--show-inferior", "1", "--server", serve_script(script))

    is_known = second.HasField("position")
    assert (8 if is_known else 1) == done.returncode
    assert (1 if is_known else 2) == len(done.stdout.splitlines())


def test_untrue_best_candidate(call: Run, serve_script: ServeScript) -> None:
    """The best candidate of a progress message or an error is verified as well."""
    lie = SearchProgress()
    lie.CopyFrom(PROGRESS)
    lie.best_candidate.hamming_distance = 0
    code = grpc.StatusCode.RESOURCE_EXHAUSTED

    def script(_: HashNameRequest, __: grpc.ServicerContext) -> Iterator[HashNameResponse]:
        yield HashNameResponse(progress=lie)

    for server in [
        serve_script(script),
        serve_script(aborting(code, "spent", "HASH_BUDGET_EXHAUSTED", lie)),
    ]:
        done = call("find", NAME, "--progress", "--server", server)

        assert (8, "") == (done.returncode, done.stdout)
        assert "distance is 1" in done.stderr


def test_retry(call: Run, serve_script: ServeScript) -> None:
    """--retry retries after the delay that the server names, and prints a line on stderr."""
    refused = 0

    def script(
        request: HashNameRequest, context: grpc.ServicerContext
    ) -> Iterator[HashNameResponse]:
        nonlocal refused
        if refused < 2:
            refused += 1
            delay = RetryInfo(retry_delay=Duration(nanos=1_000_000))
            code = grpc.StatusCode.RESOURCE_EXHAUSTED
            yield from aborting(code, "x", "SERVER_OVERLOADED", delay)(request, context)
        yield TRUE

    asked = ["find", NAME, "--ideal-distance", "1", "--server", serve_script(script)]
    impatient = call(*asked, "--retry", "1")
    refused = 0
    patient = call(*asked, "--retry", "2")

    line = "The server has reached its limit of searches. Trying again in 0.0 s.\n"
    assert (7, "") == (impatient.returncode, impatient.stdout)
    assert impatient.stderr.startswith(line)
    assert impatient.stderr.endswith("of searches. Try again in 0.001 s.\n")
    assert (0, f"1\t0\t\t{EMPTY_HASH}\n") == (patient.returncode, patient.stdout)
    assert 2 * line == patient.stderr


def test_stream_without_ideal_result(call: Run, serve_script: ServeScript) -> None:
    """A stream that ends OK without the ideal result is not a success."""

    def script(_: HashNameRequest, __: grpc.ServicerContext) -> Iterator[HashNameResponse]:
        yield TRUE

    done = call("find", NAME, "--show-inferior", "1", "--server", serve_script(script))

    assert (1, f"1\t0\t\t{EMPTY_HASH}\n") == (done.returncode, done.stdout)
    assert done.stderr.startswith("The server ended the search without a result.\n")
    assert "--start-position 1" in done.stderr


def test_deadline(run: Run, serve_script: ServeScript, ended: threading.Event) -> None:
    """--timeout ends the search on both sides, and prints where to resume if that is known."""

    def script(_: HashNameRequest, context: grpc.ServicerContext) -> Iterator[HashNameResponse]:
        context.add_callback(ended.set)
        yield HashNameResponse(progress=PROGRESS)
        ended.wait(30)

    options = ["--show-inferior", "0", "--timeout", "0.5"]
    done = run("find", NAME, *options, "--server", serve_script(script))

    assert ended.wait(10)
    assert (4, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("Nothing found within 0.5 s.\nTo continue, resume with --start-")


@pytest.mark.parametrize(("command", "code"), [("find", 4), ("health", 5)])
def test_server_that_never_answers(run: Run, command: str, code: int) -> None:
    """A peer that accepts the connection and sends nothing is left at the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        server = f"127.0.0.1:{mute.getsockname()[1]}"
        name = ["doctor"] * (command == "find")
        began = time.monotonic()
        done = run(command, *name, "--timeout", "1", "--server", server)

    assert (code, "") == (done.returncode, done.stdout)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("command", ["find", "health"])
def test_nobody_listens(run: Run, command: str) -> None:
    """A refused connection is reported at once, with an address from the environment as well."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        server = f"127.0.0.1:{free.getsockname()[1]}"
    name = ["doctor"] * (command == "find")

    done = run(command, *name, variables={"HASHFINDER_SERVER": server})

    assert (5, "") == (done.returncode, done.stdout)
    assert f"Cannot connect to {server}: Connection refused.\n" == done.stderr


def test_unknown_host(call: Run) -> None:
    """A name that cannot be resolved is reported as such."""
    done = call("find", "doctor", "--server", "server.invalid:50051")

    assert 5 == done.returncode
    assert done.stderr.startswith("Cannot connect to server.invalid:50051: ")


def test_help_documents_the_exit_codes(run: Run) -> None:
    """--help lists every exit code, and --version prints the version."""
    done = run("find", "--help")

    listed = re.findall(r"^ +(\d+)  \w", done.stdout.partition("Exit codes:")[2], re.MULTILINE)
    assert [*range(11), 130, 141, 143] == [int(code) for code in listed]
    assert "hashfinder 0.1.0\n" == run("--version").stdout


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_completion(run: Run, shell: str) -> None:
    """The shell completes the names of commands."""
    asked = {
        "_HASHFINDER_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "hashfinder ",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "hashfinder ",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }

    done = run(variables=asked)

    assert "find" in done.stdout
    assert "health" in done.stdout
