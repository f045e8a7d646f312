"""The texts of statuses, including those that a real server hardly sends."""

import pytest
from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from hashfinder_cli.exit_codes import MEANINGS, ExitCode
from hashfinder_cli.search import Search
from hashfinder_cli.view.ending import Ending
from hashfinder_cli.view.explanations import explain, explain_pause
from hashfinder_client.errors import StoppedError
from hashfinder_client.events import Pause
from hashfinder_client.status import RpcStatus
from hashfinder_proto.hash_name_pb2 import HashNameResponse, SearchProgress
from tests.unit.cli.searches import search

SEARCH = search(server="host:1")


def explained(ended: RpcStatus, next_position: int | None = None, asked: Search = SEARCH) -> Ending:
    """Return the explanation of `ended` for a search, after progress to `next_position`."""
    resumable = asked.range_search(asked.query, None)
    if next_position is not None:
        progress = SearchProgress(hashes_computed=next_position, next_position=next_position)
        resumable.take(HashNameResponse(progress=progress))
    with pytest.raises(StoppedError) as stopped:
        resumable.end(ended)
    return explain(stopped.value, asked)


def rich(*details: Message) -> Status:
    """Return a status with details."""
    status = Status()
    for detail in details:
        status.details.add().Pack(detail)
    return status


@pytest.mark.parametrize("code", StatusCode)
def test_every_status_without_details(code: StatusCode) -> None:
    """Each gRPC status has a sentence and an exit code other than 0, without details as well."""
    ending = explained(RpcStatus(code, "text"))

    assert ExitCode.FOUND != ending.code
    assert code.name == ending.status
    assert ending.sentence.endswith((".", "text"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:1: Connection refused",
            "Cannot connect to host:1: Connection refused.",
        ),
        (
            "errors resolving host:1: [field:hostname lookup error: Domain name not found]",
            "Cannot connect to host:1: Domain name not found.",
        ),
        ("Socket closed", "Lost the connection to host:1: Socket closed."),
    ],
)
def test_unavailable(text: str, sentence: str) -> None:
    """The sentence says whether there was a connection, and names the address."""
    ending = explained(RpcStatus(StatusCode.UNAVAILABLE, text), next_position=8)

    assert (ExitCode.UNAVAILABLE, sentence) == (ending.code, ending.sentence)
    assert "--start-position 8" in ending.advice
    assert "--local" not in ending.advice


def test_nothing_at_the_default_address() -> None:
    """The advice is to start a server, or to use --local."""
    text = "failed to connect to all addresses; last error: UNKNOWN: ipv4:1: Connection refused"
    ending = explained(RpcStatus(StatusCode.UNAVAILABLE, text), asked=search())
    assert "Start a server with hashfinder-server, or search without one: --local." == ending.advice


def test_details_overrule_the_messages() -> None:
    """The position in the error is more recent than that of the last message."""
    info = ErrorInfo(domain="hashfinder", reason="HASH_BUDGET_EXHAUSTED")
    details = rich(info, SearchProgress(next_position=9))

    ended = RpcStatus(StatusCode.RESOURCE_EXHAUSTED, "", details)

    assert 9 == explained(ended, next_position=8).next_position


def test_nothing_left_overrules_the_messages() -> None:
    """After the last position nothing can be resumed, whatever a message said before."""
    details = [ErrorInfo(domain="hashfinder", reason="HASH_BUDGET_EXHAUSTED"), SearchProgress()]

    ending = explained(
        RpcStatus(StatusCode.RESOURCE_EXHAUSTED, "", rich(*details)), next_position=8
    )

    assert (None, "") == (ending.next_position, ending.advice)
    assert "nothing is left" in ending.sentence


def test_reason_of_another_domain() -> None:
    """A reason counts only in our own domain, since a proxy may use the same word."""
    info = ErrorInfo(domain="proxy.example", reason="HASH_BUDGET_EXHAUSTED")

    ending = explained(RpcStatus(StatusCode.RESOURCE_EXHAUSTED, "full", rich(info)))

    assert (ExitCode.BUSY, "") == (ending.code, ending.reason)


def test_details_that_cannot_be_read() -> None:
    """A detail that cannot be decoded is ignored."""
    status = rich(BadRequest())
    status.details.append(
        PackedAny(type_url="type.googleapis.com/google.rpc.RetryInfo", value=b"\xff")
    )

    ending = explained(RpcStatus(StatusCode.INVALID_ARGUMENT, "text", status))

    assert (None, "The server refused the request: text") == (ending.retry_after, ending.sentence)


def test_retry_delay() -> None:
    """The delay is printed in seconds with its fraction."""
    retry = RetryInfo()
    retry.retry_delay.FromMilliseconds(1250)

    ending = explained(RpcStatus(StatusCode.RESOURCE_EXHAUSTED, "x", rich(retry)))

    assert 1.25 == ending.retry_after
    assert ending.sentence.endswith(" Try again in 1.25 s.")


@pytest.mark.parametrize(
    ("ended", "delay", "line"),
    [
        (
            RpcStatus(
                StatusCode.RESOURCE_EXHAUSTED,
                "",
                rich(
                    ErrorInfo(domain="hashfinder", reason="HASH_BUDGET_EXHAUSTED"),
                    SearchProgress(hashes_computed=5000, next_position=5000),
                ),
            ),
            0.0,
            "Nothing found: the budget was spent after 5,000 hashes. Resuming from position 5000.",
        ),
        (
            RpcStatus(
                StatusCode.UNAVAILABLE,
                "",
                rich(ErrorInfo(domain="hashfinder", reason="SERVER_DRAINING"), RetryInfo()),
            ),
            2.51,
            "The server at host:1 is shutting down. Trying again in 2.5 s.",
        ),
    ],
)
def test_pause(ended: RpcStatus, delay: float, line: str) -> None:
    """A pause is one line with the reason, the position and the delay."""
    with pytest.raises(StoppedError) as stopped:
        SEARCH.range_search(SEARCH.query, None).end(ended)

    assert line == explain_pause(Pause(stopped.value, delay), SEARCH)


def test_time_limit() -> None:
    """The server's time limit has its own sentence and the exit code of a spent budget."""
    info = ErrorInfo(domain="hashfinder", reason="TIME_LIMIT_REACHED")
    progress = SearchProgress(hashes_computed=9, next_position=9)
    retry = RetryInfo()
    retry.retry_delay.FromSeconds(1)

    ending = explained(RpcStatus(StatusCode.RESOURCE_EXHAUSTED, "", rich(info, retry, progress)))

    assert (ExitCode.BUDGET_SPENT, 9) == (ending.code, ending.next_position)
    assert (
        "Nothing found within the time limit of the server at host:1. Try again in 1 s."
        == ending.sentence
    )
    assert "--start-position 9" in ending.advice


def test_unknown_field() -> None:
    """A violation of a field without a flag is reported by the field's name."""
    bad_request = BadRequest()
    bad_request.field_violations.add(field="new_field", description="must be new")

    ending = explained(RpcStatus(StatusCode.INVALID_ARGUMENT, "x", rich(bad_request)))

    assert ending.sentence.endswith("\n  new_field: must be new")


def test_every_exit_code_is_documented() -> None:
    """--help lists all meanings; 0 and 2 have their usual meaning."""
    assert list(ExitCode) == list(MEANINGS)
    assert (0, 2) == (ExitCode.FOUND, ExitCode.USAGE)
