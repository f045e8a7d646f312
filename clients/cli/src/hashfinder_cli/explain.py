"""How a search ended, as a sentence that a person understands and a code that a script does.

The table of statuses and details is that of the contract (``hash_name.proto``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from hashfinder_cli.events import Ended
from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.search import Search
from hashfinder_cli.verify import Result, Verifier
from hashfinder_proto.hash_name_pb2 import SearchProgress

_FLAGS = {
    "desired_name": "NAME",
    "ideal_hamming_distance": "--ideal-distance",
    "interesting_hamming_distance": "--show-inferior",
    "start_position": "--start-position",
    "maximum_hashes": "--maximum-hashes",
    "progress_interval": "--progress-interval",
}
_TEXT_LIMIT = 300
_MessageT = TypeVar("_MessageT", bound=Message)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a search ended."""

    code: ExitCode
    sentence: str
    """Says it to a person; may have several lines."""
    advice: str = ""
    """What the person can do, where there is something."""
    status: str = ""
    """The gRPC status; empty where this side ended it."""
    reason: str = ""
    """The reason of the ErrorInfo; empty without one."""
    next_position: int | None = None
    """Where to go on, where that is known."""
    best: Result | None = None
    retry_after: float | None = None
    """Seconds."""
    request_id: str = ""
    kernel: str = ""
    """The server's kernel; empty where it does not say."""


def explain(ended: Ended, search: Search, verifier: Verifier, next_position: int | None) -> Ending:
    """Return the ending that the status of an RPC means, for one that did not find.

    Args:
        ended: the status.
        search: what was asked.
        verifier: checks the best candidate.
        next_position: where to go on, as far as the messages before told; details overrule it.

    Raises:
        UntrueResultError: the best candidate of the details is not true.
    """
    told = _Told(ended, search, verifier, next_position)
    explained = _BY_REASON.get(told.reason) or _BY_STATUS.get(ended.code, _fault)
    code, sentence, advice = explained(told)
    return Ending(
        code=code,
        sentence=sentence,
        advice=advice,
        status=ended.code.name,
        reason=told.reason,
        next_position=told.next_position,
        best=told.best,
        retry_after=told.retry_after,
        request_id=told.request_id,
    )


def resume_advice(search: Search, next_position: int | None) -> str:
    """Return how to go on from `next_position`; nothing where that is not known."""
    if next_position is None:
        return ""
    command = search.command(next_position)
    return f"To go on, resume with --start-position {next_position}:\n  {command}"


def unreachable(server: str, text: str) -> str:
    """Return the sentence for a `server` that is UNAVAILABLE, as gRPC's core says with `text`."""
    if "failed to connect" in text or "resolving" in text:
        return f"Cannot connect to {server}: {text.rpartition(': ')[2].rstrip(']')}."
    return f"Lost the connection to {server}: {text}."


def plain(text: str) -> str:
    """Return foreign `text` fit for a terminal: printable, and of bounded length."""
    return "".join(c if c.isprintable() else "?" for c in text[:_TEXT_LIMIT])


class _Told:
    """What a status and its details tell."""

    def __init__(
        self, ended: Ended, search: Search, verifier: Verifier, next_position: int | None
    ) -> None:
        self.search = search
        self.text = plain(ended.text)
        self.status = ended.code.name
        info = _detail(ended.rich, ErrorInfo)
        self.reason = info.reason if info and info.domain == "hashfinder" else ""
        self.bad_request = _detail(ended.rich, BadRequest)
        retry = _detail(ended.rich, RetryInfo)
        delay = retry.retry_delay if retry else None
        self.retry_after = delay.seconds + delay.nanos / 1e9 if delay else None
        request = _detail(ended.rich, RequestInfo)
        self.request_id = plain(request.request_id) if request else ""
        self.progress = _detail(ended.rich, SearchProgress)
        self.next_position = next_position
        self.best = None
        if self.progress:
            has_next = self.progress.HasField("next_position")
            self.next_position = self.progress.next_position if has_next else None
            if self.progress.HasField("best_candidate"):
                self.best = verifier.candidate(self.progress.best_candidate)

    @property
    def resume(self) -> str:
        return resume_advice(self.search, self.next_position)

    @property
    def again(self) -> str:
        return "" if self.retry_after is None else f" Try again in {self.retry_after:g} s."


_Explained: TypeAlias = tuple[ExitCode, str, str]


def _budget(told: _Told) -> _Explained:
    hashes = f" after {told.progress.hashes_computed:,} hashes" if told.progress else ""
    sentence = f"Nothing found: the budget was spent{hashes}."
    if told.best:
        sentence += "\n" + best_sentence(told.best)
    if told.progress and told.next_position is None:
        sentence += "\nThe last position has been searched; nothing is left."
    return ExitCode.BUDGET_SPENT, sentence, told.resume


def best_sentence(best: Result) -> str:
    """Return the sentence that presents the best candidate so far."""
    return (
        f"Best so far: distance {best.distance} at position {best.position}, "
        f"hash {best.hashed_name}, secret {best.secret_text or '(empty)'}."
    )


def _busy(sentence: str) -> Callable[[_Told], _Explained]:
    return lambda told: (ExitCode.BUSY, sentence + told.again, told.resume)


def _draining(told: _Told) -> _Explained:
    again = told.again.removesuffix(".") + ", or another server." if told.again else ""
    sentence = f"The server at {told.search.server} is shutting down.{again}"
    return ExitCode.UNAVAILABLE, sentence, told.resume


def _exhausted(told: _Told) -> _Explained:
    sentence = f"The server at {told.search.server} has no room for the request: {told.text}"
    return ExitCode.BUSY, sentence + told.again, told.resume


def _unavailable(told: _Told) -> _Explained:
    return ExitCode.UNAVAILABLE, unreachable(told.search.server, told.text), told.resume


def _deadline(told: _Told) -> _Explained:
    timeout = told.search.timeout
    within = "before the server's deadline" if timeout is None else f"within {timeout:g} s"
    advice = told.resume or progress_advice(told.search)
    return ExitCode.DEADLINE, f"Nothing found {within}.", advice


def progress_advice(search: Search) -> str:
    """Return how to get a search that can be resumed, where this one cannot."""
    if search.streams:
        return ""
    return "A plain search does not tell how far it came; with --progress it can be resumed."


def _invalid(told: _Told) -> _Explained:
    violations = told.bad_request.field_violations if told.bad_request else []
    lines = [f"  {_FLAGS.get(v.field, plain(v.field))}: {plain(v.description)}" for v in violations]
    if not lines:
        return ExitCode.INVALID, f"The server refused the request: {told.text}", ""
    return ExitCode.INVALID, "\n".join(["The server refused the request:", *lines]), ""


def _internal(told: _Told) -> _Explained:
    if not told.request_id:
        return _fault(told)
    advice = f"Report the request id {told.request_id} to its operator."
    sentence = "The server failed; the fault is not yours."
    return ExitCode.FAULT, sentence, "\n".join(filter(None, [advice, told.resume]))


def _no_service(told: _Told) -> _Explained:
    return ExitCode.FAULT, f"The server at {told.search.server} offers no such search.", ""


def _no_result(told: _Told) -> _Explained:
    return ExitCode.FAULT, "The server ended the search without a result.", told.resume


def _fault(told: _Told) -> _Explained:
    text = f": {told.text}" if told.text else "."
    sentence = f"The server ended the search with {told.status}{text}"
    return ExitCode.FAULT, sentence, told.resume


_BY_REASON: dict[str, Callable[[_Told], _Explained]] = {
    "HASH_BUDGET_EXHAUSTED": _budget,
    "CLIENT_QUOTA_EXHAUSTED": _busy("Your share of the server's hash rate is used up."),
    "TOO_MANY_SEARCHES": _busy("You have as many searches under way as the server lets you have."),
    "SERVER_OVERLOADED": _busy("The server has as many searches as it takes."),
    "SERVER_DRAINING": _draining,
}
_BY_STATUS: dict[StatusCode, Callable[[_Told], _Explained]] = {
    StatusCode.OK: _no_result,
    StatusCode.INVALID_ARGUMENT: _invalid,
    StatusCode.RESOURCE_EXHAUSTED: _exhausted,
    StatusCode.UNAVAILABLE: _unavailable,
    StatusCode.DEADLINE_EXCEEDED: _deadline,
    StatusCode.INTERNAL: _internal,
    StatusCode.UNIMPLEMENTED: _no_service,
}


def _detail(rich: Status | None, kind: type[_MessageT]) -> _MessageT | None:
    """Return the detail of type `kind`; None where there is none that can be read."""
    for packed in rich.details if rich else ():
        message = kind()
        try:
            if packed.Unpack(message):
                return message
        except DecodeError:
            continue
    return None
