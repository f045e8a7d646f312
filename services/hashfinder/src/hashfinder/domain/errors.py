"""The tree of errors. Each class says who must act.

`transport.status` maps those that end an RPC to a status; nothing else does.
"""

from enum import StrEnum
from typing import ClassVar

from hashfinder.domain.progress import Progress
from hashfinder_rules.violations import Violation


class Cause(StrEnum):
    """Why a search was stopped before it was done. The label of the metric."""

    CLIENT_CANCEL = "client_cancel"
    DEADLINE = "deadline"
    DISCONNECT = "disconnect"
    BUDGET = "budget"
    QUOTA = "quota"
    OVERLOAD = "overload"
    SHUTDOWN = "shutdown"
    OPERATOR = "operator"


class HashFinderError(Exception):
    """The base of every error that HashFinder raises on purpose."""


class KernelUnavailableError(HashFinderError):
    """The requested kernel is not built, or this CPU cannot run it. The operator acts."""


class WorkerStartError(HashFinderError):
    """The system lets no more threads start. The operator raises its limit."""


class WorkerDiedError(HashFinderError):
    """A worker thread ended without being asked to: a fault of ours. The process drains."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("a worker thread died")


class InvalidRequestError(HashFinderError):
    """The request breaks the contract. Its sender acts; a retry cannot help."""

    def __init__(self, violations: list[Violation]) -> None:
        """Take every violation, at least one."""
        self.violations = violations
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))


class UndecodableRequestError(HashFinderError):
    """The request's bytes are not a message of the expected type. Its sender acts."""


class IncompleteRequestError(HashFinderError):
    """The RPC ended, or lasted too long, without a request. Its sender acts."""


class AccessDeniedError(HashFinderError):
    """The client is not authenticated or not allowed. It or the operator acts; no retry."""


class TokenMissingError(AccessDeniedError):
    """The client must authenticate, and has not."""

    def __init__(self) -> None:
        """Say how."""
        super().__init__(
            "authentication is required: send a token (authorization: Bearer ...),"
            " or a client certificate"
        )


class TokenUnknownError(AccessDeniedError):
    """The client's token is unknown to this server."""

    def __init__(self) -> None:
        """Say so, and nothing of the token."""
        super().__init__("the token is unknown to this server")


class CertificateUnknownError(AccessDeniedError):
    """The client's certificate is valid, but its name is unknown to the server."""


class NotAllowedError(AccessDeniedError):
    """The client is known, and may not do this."""


class StoppedError(HashFinderError):
    """A search was stopped before it was done, or refused before it began."""

    cause: ClassVar[Cause]
    progress: Progress | None = None
    """How far the search had come; None if it was refused before it began."""


class StoppedByOperatorError(StoppedError):
    """An operator has stopped the search. The client asks before it starts it again."""

    cause = Cause.OPERATOR

    def __init__(self) -> None:
        """Say so."""
        super().__init__("an operator of the server has stopped this search")


class NoSuchSearchError(HashFinderError):
    """No search has the id that an operator gave. It may have ended by itself."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("no search has this id: it may have ended by itself")


class TooManyWatchersError(HashFinderError):
    """Too many operators watch. The operator retries later, or lists once."""

    def __init__(self, most: int) -> None:
        """Take how many may."""
        super().__init__(f"{most} operators are watching, the most that may at once")


class AbandonedError(HashFinderError):
    """The client no longer waits, so no one has to act. The cause is not known yet."""


class BudgetExhaustedError(StoppedError):
    """Every position of the range was searched. The client raises its budget, or resumes.

    Where the keyspace has ended, nothing is left to resume: the client searches for something else.
    """

    cause = Cause.BUDGET

    def __init__(self, hashes: int, *, keyspace_ended: bool = False) -> None:
        """Take how many positions the search was allowed, or had up to the keyspace's end."""
        self.limit = hashes
        super().__init__(
            f"nothing was found in the {hashes} hashes up to the end of the keyspace"
            if keyspace_ended
            else f"nothing was found within the budget of {hashes} hashes"
        )


class RetryableError(StoppedError):
    """The same request can succeed later, or on another server."""

    def __init__(self, message: str, retry_after: float) -> None:
        """Take the text for the client, and after how many seconds a retry makes sense."""
        self.retry_after = retry_after
        super().__init__(message)


class LimitError(RetryableError):
    """A limit was reached. The client comes back later; the operator may raise the limit."""

    def __init__(self, message: str, retry_after: float, limit: int) -> None:
        """Take the text, the delay in seconds, and the limit's value."""
        self.limit = limit
        super().__init__(message, retry_after)


class ClientQuotaExhaustedError(LimitError):
    """The client has used up its hash rate."""

    cause = Cause.QUOTA

    def __init__(self, retry_after: float, rate: int) -> None:
        """Take the delay in seconds, and the rate that the client may use, in hashes a second."""
        super().__init__(
            f"this client has used up its quota of {rate} hashes a second", retry_after, rate
        )


class TooManySearchesError(LimitError):
    """The client has as many searches under way as one client may have."""

    cause = Cause.QUOTA


class TimeLimitReachedError(LimitError):
    """The search has held its place for as long as one may. The client resumes after the others."""

    cause = Cause.BUDGET

    def __init__(self, seconds: int) -> None:
        """Take how long a search may take, in seconds."""
        message = f"nothing was found within {seconds} s, the time limit of one search"
        super().__init__(message, 1.0, seconds)


class ServerOverloadedError(LimitError):
    """The server has reached its limit of searches, and none ended in time."""

    cause = Cause.OVERLOAD


class ServerDrainingError(RetryableError):
    """The server drains. The client resumes elsewhere."""

    cause = Cause.SHUTDOWN
