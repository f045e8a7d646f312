"""The tree of errors: each class says who must act, each object where to resume.

The table of statuses and details is that of the contract (``hash_name.proto``).
"""

from dataclasses import dataclass

from grpc import StatusCode

from hashfinder_rules.candidate import Candidate

BUDGET_EXHAUSTED = "HASH_BUDGET_EXHAUSTED"
"""The reason of an RPC whose budget of hashes is used up."""
TOO_MANY_SEARCHES = "TOO_MANY_SEARCHES"
"""The reason of an RPC beyond those that the server lets one client have at once."""
SERVER_DRAINING = "SERVER_DRAINING"
"""The reason of an RPC that a draining server refuses or stops."""
TIME_LIMIT_REACHED = "TIME_LIMIT_REACHED"
"""The reason of an RPC that lasted as long as the server lets one search last."""
SERVER_OVERLOADED = "SERVER_OVERLOADED"
"""The reason of an RPC beyond those that the server takes at once."""

STOPPED_BY_OPERATOR = "STOPPED_BY_OPERATOR"
"""The reason of an RPC whose search an operator of the server has stopped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Details:
    """The details of a status, each None or empty where it is not there."""

    reason: str = ""
    """The reason of the ErrorInfo, such as ``SERVER_DRAINING``."""
    retry_after: float | None = None
    """Seconds until another try makes sense."""
    violations: tuple[tuple[str, str], ...] = ()
    """The fields that break the contract, each with what is wrong."""
    request_id: str = ""
    """Names the RPC in the server's log."""


class FinderError(Exception):
    """The base of every error of a search."""


class FinderClosedError(FinderError):
    """The finder was closed, before or while it searched. The caller makes another one."""

    def __init__(self, next_position: int | None = None) -> None:
        """Take how far a search under way came."""
        self.next_position = next_position
        """Where to resume the search that was under way; None where there was none."""
        super().__init__("the finder is closed")


class VerificationError(FinderError):
    """The server sent an invalid result. Its operator acts."""


class StoppedError(FinderError):
    """The search ended without its ideal result, and does not resume by itself.

    The class itself stands for an unexpected end, such as a fault of the server: its
    operator acts, with `details.request_id`.
    """

    def __init__(
        self,
        status: StatusCode,
        text: str,
        details: Details,
        *,
        hashes: int,
        next_position: int | None,
        best: Candidate | None,
    ) -> None:
        """Take the status of the last RPC, and how far the search came over all of its RPCs."""
        self.status = status
        """The status of the last RPC."""
        self.text = text
        """Its message."""
        self.details = details
        """What its details contain."""
        self.hashes = hashes
        """How many positions have been searched, as far as the server reported."""
        self.next_position = next_position
        """Where to resume; None where that is not known, or nothing is left."""
        self.best = best
        """The best candidate so far, as far as the server reported."""
        super().__init__(f"{details.reason or status.name}: {text}")

    @property
    def retry_after(self) -> float | None:
        """Seconds until another try makes sense; None where the server does not say."""
        return self.details.retry_after


class BudgetSpentError(StoppedError):
    """Every position of the range was searched. The caller gives more, or gives up."""


class TimeLimitError(StoppedError):
    """The search reached the server's time limit. The caller resumes it, or gives up."""


class BusyError(StoppedError):
    """The client's quota is used up, or the server is full. The caller retries later."""


class UnavailableError(StoppedError):
    """No connection, or a draining server. The caller retries later, or elsewhere."""


class TlsError(UnavailableError):
    """The server is not trusted, or does not use TLS. The caller acts.

    Another try would fail alike. `tls.fault_of` returns what is wrong, from `text`.
    """


class StoppedByOperatorError(StoppedError):
    """The server's operator has stopped the search. The caller asks before it searches again."""


class DeadlinePassedError(StoppedError):
    """The time that the caller gave has passed."""


class InvalidSearchError(StoppedError):
    """The server refused the request. The caller corrects it: see `details.violations`."""


class AccessDeniedError(StoppedError):
    """The client is not authenticated, or not allowed. The caller asks the server's operator.

    `details.reason` says which: ``TOKEN_MISSING``, ``TOKEN_UNKNOWN``, ``CERTIFICATE_UNKNOWN`` or
    ``NOT_ALLOWED``. Another try would end alike.
    """


class OutdatedServerError(StoppedError):
    """The server is too old for what was asked, and would search for something else.

    Nothing was searched. The caller asks a newer server, or for a classic search.
    """


def stopped_error(code: StatusCode, reason: str) -> type[StoppedError]:
    """Return the class for a status and the reason that it carries."""
    return _BY_REASON.get(reason) or _BY_STATUS.get(code, StoppedError)


_BY_REASON: dict[str, type[StoppedError]] = {
    BUDGET_EXHAUSTED: BudgetSpentError,
    TIME_LIMIT_REACHED: TimeLimitError,
    STOPPED_BY_OPERATOR: StoppedByOperatorError,
}
_BY_STATUS: dict[StatusCode, type[StoppedError]] = {
    StatusCode.RESOURCE_EXHAUSTED: BusyError,
    StatusCode.UNAVAILABLE: UnavailableError,
    StatusCode.DEADLINE_EXCEEDED: DeadlinePassedError,
    StatusCode.INVALID_ARGUMENT: InvalidSearchError,
    StatusCode.UNAUTHENTICATED: AccessDeniedError,
    StatusCode.PERMISSION_DENIED: AccessDeniedError,
}
