"""Deprecated: import from `hashfinder_client`. Kept for one more version."""

import warnings

from hashfinder_client import (
    AsyncFinder,
    BudgetSpentError,
    BusyError,
    DeadlinePassedError,
    Finder,
    FinderError,
    InvalidSearchError,
    Pause,
    Progress,
    Query,
    RetryPolicy,
    StoppedError,
    UnavailableError,
)
from hashfinder_client import Match as Result
from hashfinder_client import SearchEvent as News
from hashfinder_client import VerificationError as UntrueResultError

__all__ = [
    "AsyncFinder",
    "BudgetSpentError",
    "BusyError",
    "DeadlinePassedError",
    "Finder",
    "FinderError",
    "InvalidSearchError",
    "News",
    "Pause",
    "Progress",
    "Query",
    "Result",
    "RetryPolicy",
    "StoppedError",
    "UnavailableError",
    "UntrueResultError",
]

warnings.warn(
    "hashfinder_cli.finder is now hashfinder_client, of the distribution hashfinder-client",
    DeprecationWarning,
    stacklevel=2,
)
