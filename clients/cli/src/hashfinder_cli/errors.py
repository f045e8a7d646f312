"""The one tree of errors: each class says who has to act, each object where to go on.

The table of statuses and details is that of the contract (``hash_name.proto``).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from hashfinder_cli.events import Ended

if TYPE_CHECKING:  # It raises an error of this module.
    from hashfinder_cli.verify import Result

BUDGET_EXHAUSTED = "HASH_BUDGET_EXHAUSTED"
_MessageT = TypeVar("_MessageT", bound=Message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Details:
    """What the details of a status tell, each None or empty where it is not there."""

    reason: str = ""
    """The reason of the ErrorInfo, such as ``SERVER_DRAINING``."""
    retry_after: float | None = None
    """Seconds until another try makes sense."""
    violations: tuple[tuple[str, str], ...] = ()
    """The fields that break the contract, each with what is wrong."""
    request_id: str = ""
    """Names the RPC in the server's log."""

    @classmethod
    def of(cls, rich: Status | None) -> "Details":
        """Return what can be read from a status."""
        info = detail(rich, ErrorInfo)
        retry = detail(rich, RetryInfo)
        bad_request = detail(rich, BadRequest)
        request = detail(rich, RequestInfo)
        violations = bad_request.field_violations if bad_request else ()
        return cls(
            reason=info.reason if info and info.domain == "hashfinder" else "",
            retry_after=_seconds(retry) if retry else None,
            violations=tuple((v.field, v.description) for v in violations),
            request_id=request.request_id if request else "",
        )


def _seconds(retry: RetryInfo) -> float:
    return max(0.0, retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)


def detail(rich: Status | None, kind: type[_MessageT]) -> _MessageT | None:
    """Return the detail of type `kind`; None where there is none that can be read."""
    for packed in rich.details if rich else ():
        message = kind()
        try:
            if packed.Unpack(message):
                return message
        except DecodeError:
            continue
    return None


class FinderError(Exception):
    """The base of every error of a search."""


class UntrueResultError(FinderError):
    """The server sent something that is not so. Its operator acts."""


class StoppedError(FinderError):
    """The search ended without its ideal result, and does not go on by itself.

    The class itself stands for an end that nobody expects, such as a fault of the server: its
    operator acts, with `details.request_id`.
    """

    def __init__(
        self,
        ended: Ended,
        details: Details,
        *,
        hashes: int,
        next_position: int | None,
        best: "Result | None",
    ) -> None:
        """Take the status of the last RPC, and how far the search came over all of its RPCs."""
        self.status = ended.code
        """The status of the last RPC."""
        self.text = ended.text
        """Its message."""
        self.details = details
        """What its details tell."""
        self.hashes = hashes
        """How many positions have been searched, as far as the server told."""
        self.next_position = next_position
        """Where to go on; None where that is not known, or nothing is left."""
        self.best = best
        """The best candidate so far, as far as the server told."""
        super().__init__(f"{details.reason or ended.code.name}: {ended.text}")

    @property
    def retry_after(self) -> float | None:
        """Seconds until another try makes sense; None where the server does not say."""
        return self.details.retry_after


class BudgetSpentError(StoppedError):
    """Every position of the range was searched. The caller gives more, or gives up."""


class BusyError(StoppedError):
    """The client's quota is used up, or the server is full. The caller comes back later."""


class UnavailableError(StoppedError):
    """No connection, or the server is going away. The caller comes back later, or elsewhere."""


class DeadlinePassedError(StoppedError):
    """The time that the caller gave has passed."""


class InvalidSearchError(StoppedError):
    """The server refused the request. The caller mends it: see `details.violations`."""


def stopped_error(code: StatusCode, reason: str) -> type[StoppedError]:
    """Return the class for a status and the reason that it carries."""
    return BudgetSpentError if reason == BUDGET_EXHAUSTED else _BY_STATUS.get(code, StoppedError)


_BY_STATUS = {
    StatusCode.RESOURCE_EXHAUSTED: BusyError,
    StatusCode.UNAVAILABLE: UnavailableError,
    StatusCode.DEADLINE_EXCEEDED: DeadlinePassedError,
    StatusCode.INVALID_ARGUMENT: InvalidSearchError,
}
