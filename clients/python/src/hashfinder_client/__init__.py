"""The Python client of HashFinder: `Finder`, and `AsyncFinder` for asyncio.

Both cancel their RPC on every way out, have a deadline unless asked not to, verify every result,
and resume by themselves after a spent budget, a quota, an overload, a drain or a lost connection.
Nothing is skipped on the way, and nothing is returned twice.

The client knows the server only through its contract, and starts one with `LocalServer`.
"""

from hashfinder_client.async_finder import AsyncFinder
from hashfinder_client.errors import (
    AccessDeniedError,
    BudgetSpentError,
    BusyError,
    DeadlinePassedError,
    FinderClosedError,
    FinderError,
    InvalidSearchError,
    OutdatedServerError,
    StoppedByOperatorError,
    StoppedError,
    TimeLimitError,
    TlsError,
    UnavailableError,
    VerificationError,
)
from hashfinder_client.events import Match, Pause, Progress, SearchEvent
from hashfinder_client.finder import Finder
from hashfinder_client.local_server import LocalServer, LocalServerError
from hashfinder_client.query import Query
from hashfinder_client.retry import RetryPolicy
from hashfinder_client.tls import Tls

__all__ = [
    "AccessDeniedError",
    "AsyncFinder",
    "BudgetSpentError",
    "BusyError",
    "DeadlinePassedError",
    "Finder",
    "FinderClosedError",
    "FinderError",
    "InvalidSearchError",
    "LocalServer",
    "LocalServerError",
    "Match",
    "OutdatedServerError",
    "Pause",
    "Progress",
    "Query",
    "RetryPolicy",
    "SearchEvent",
    "StoppedByOperatorError",
    "StoppedError",
    "TimeLimitError",
    "Tls",
    "TlsError",
    "UnavailableError",
    "VerificationError",
]
