"""What both finders are made of, other than the I/O."""

import math
from dataclasses import dataclass, field

from hashfinder_client.division import DEFAULT_RANGE_SIZE, Division
from hashfinder_client.numbers import check_seconds
from hashfinder_client.query import Query
from hashfinder_client.resumable_search import ResumableSearch
from hashfinder_client.retry import RetryPolicy
from hashfinder_client.sharded_search import ShardedSearch

DEFAULT_TIMEOUT = 300.0
"""Seconds."""
DEFAULT_PROGRESS_INTERVAL = 1.0
"""Seconds."""
PROGRESS_INTERVALS = (0.05, 3600.0)
"""Seconds: the shortest and the longest that the contract allows."""


@dataclass(frozen=True, kw_only=True)
class FinderSettings:
    """How the searches of a finder are made."""

    timeout: float = DEFAULT_TIMEOUT
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    progress_interval: float = DEFAULT_PROGRESS_INTERVAL

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: one is out of its range.
        """
        check_seconds("timeout", self.timeout)
        least, most = PROGRESS_INTERVALS
        check_seconds("progress_interval", self.progress_interval, least=least, most=most)

    def timeout_of(self, timeout: float | None) -> float:
        """Return the timeout of an RPC or a search: `timeout` if it is given, or its own.

        Raises:
            ValueError: it is out of its range.
        """
        return self.timeout if timeout is None else check_seconds("timeout", timeout)

    def begin(self, query: Query | str, timeout: float | None, shards: int | None) -> ShardedSearch:
        """Begin a search, with a timeout of its own if one is given, in so many ranges at once.

        Raises:
            ValueError: the timeout or the number of shards is out of its range.
        """
        division = None
        if shards is not None:
            division = Division(range_size=DEFAULT_RANGE_SIZE, width=shards)
        return ShardedSearch(
            Query(query) if isinstance(query, str) else query,
            division,
            self._range_search,
            timeout=self.timeout_of(timeout),
        )

    def _range_search(self, part: Query, timeout: float | None) -> ResumableSearch:
        return ResumableSearch(
            part,
            self.policy,
            timeout=math.inf if timeout is None else timeout,
            progress_interval=self.progress_interval,
        )
