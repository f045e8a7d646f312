"""The lines of ``/find/NAME``: one object each, with one key that says what it is.

Field names and values are those of the contract in JSON, in which 64-bit numbers are strings.
"""

import json
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from hashfinder_proto.hash_name_pb2 import HashNameResponse, SearchProgress
from hashfinder_web.connect.codes import clear_detail, name_of
from hashfinder_web.find.parameters import Parameters
from hashfinder_web.upstream.failure import Failure


def estimate_line(estimate: Message) -> bytes:
    """Return the line of the estimate."""
    return _line("estimate", _clear(estimate))


def response_line(response: HashNameResponse) -> bytes:
    """Return the line of a result, or of a report of progress."""
    if response.HasField("progress"):
        return _line("progress", _clear(response.progress))
    result = _clear(response)
    return _line("result", result)


def found_line(request_id: str, kernel: str, resume: str | None) -> bytes:
    """Return the line of an end with the ideal result."""
    end = {"code": name_of(grpc.StatusCode.OK), "message": "found"}
    return _end(end, request_id, kernel, resume)


def failure_line(
    failure: Failure, request_id: str, parameters: Parameters | None, next_position: int | None
) -> bytes:
    """Return the line of any other end: why, in words and for programs, and where to resume.

    Args:
        failure: how it ended.
        request_id: names the request in the logs.
        parameters: the search; None if it never was one.
        next_position: where the results and reports end that were sent.
    """
    status = failure.status
    end: dict[str, Any] = {"code": name_of(failure.code), "message": failure.message}
    details = status.details
    if details.reason:
        end["reason"] = details.reason
    if details.retry_after is not None:
        end["retryAfterSeconds"] = details.retry_after
    clear = (
        [(each, clear_detail(each)) for each in failure.details.details] if failure.details else []
    )
    end["details"] = [
        {"type": packed.type_url.rpartition("/")[2], **detail} for packed, detail in clear if detail
    ]
    progress = _progress(failure)
    if progress is not None:
        next_position = progress.next_position if progress.HasField("next_position") else None
    resume = None
    if next_position is not None and parameters is not None:
        end["nextPosition"] = str(next_position)
        resume = parameters.resumed(next_position)
    return _end(end, request_id, failure.kernel, resume)


def _progress(failure: Failure) -> SearchProgress | None:
    progress = SearchProgress()
    for packed in failure.details.details if failure.details else ():
        if packed.Is(SearchProgress.DESCRIPTOR) and packed.Unpack(progress):
            return progress
    return None


def _end(end: dict[str, Any], request_id: str, kernel: str, resume: str | None) -> bytes:
    end["requestId"] = request_id
    if kernel:
        end["kernel"] = kernel
    if resume is not None:
        end["resume"] = resume
    return _line("end", end)


def _clear(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(message, always_print_fields_with_no_presence=True)


def _line(kind: str, value: dict[str, Any]) -> bytes:
    return json.dumps({kind: value}, ensure_ascii=False).encode() + b"\n"
