"""What the user asked for on the command line."""

import math
import shlex
from dataclasses import dataclass

from hashfinder_client.division import Division
from hashfinder_client.query import Query
from hashfinder_client.resumable_search import ResumableSearch
from hashfinder_client.retry import DEFAULT_RETRIES, RetryPolicy
from hashfinder_client.sharded_search import ShardedSearch

DEFAULT_PROGRESS_INTERVAL = 1.0
"""Seconds."""
DEFAULT_RANGE_SIZE = 2_000_000_000
"""Half a minute of a core with AVX2, within a server's default budget of an RPC. The last
ranges of a search end one after another, so that a search wastes up to a range's time; a new server
waits as long for work. What an RPC costs, milliseconds, hardly counts against either."""


@dataclass(frozen=True, kw_only=True)
class Search(Query):
    """A search, as the command line gives it. None stands for an option left out."""

    server: str
    """HOST:PORT, or dns:///HOST:PORT for all servers of that name."""
    show_progress: bool = False
    progress_interval: float | None = None
    """Seconds."""
    timeout: float | None = None
    """Seconds."""
    resume: bool = False
    """Go on after whatever can be gone on after; a search in ranges always does."""
    retries: int | None = None
    as_json: bool = False
    shards: int | None = None
    """How many ranges are searched at once."""
    shard: tuple[int, int] | None = None
    """Search every N-th range from number I on, as (I, N)."""
    range_size: int | None = None
    """Positions."""
    result_file: str | None = None
    """Where the end is written to as well."""

    @property
    def division(self) -> Division | None:
        """How it is cut into ranges; None where it is not."""
        size = DEFAULT_RANGE_SIZE if self.range_size is None else self.range_size
        if self.shards is not None:
            return Division(range_size=size, width=self.shards)
        if self.shard is not None:
            index, count = self.shard
            return Division(range_size=size, index=index, count=count)
        return None

    @property
    def goes_on(self) -> bool:
        """Whether the end of an RPC need not be the end of the search."""
        return self.resume or self.division is not None

    @property
    def streams(self) -> bool:
        """Whether it takes FindRange; Find is enough for a lone result in one RPC."""
        return self.show_progress or self.goes_on or self.inferior_distance is not None

    def begin(self) -> ShardedSearch:
        """Begin it."""
        return ShardedSearch(self, self.division, self.range_search, timeout=self.timeout)

    def range_search(self, part: Query, timeout: float | None) -> ResumableSearch:
        """Begin the search of `part`, a range of it or all, within `timeout` seconds.

        A stream always carries progress, shown or not: it is what makes the search resumable.
        """
        given = self.progress_interval
        interval = DEFAULT_PROGRESS_INTERVAL if given is None else given
        retries = DEFAULT_RETRIES if self.goes_on else 0
        return ResumableSearch(
            part,
            RetryPolicy(
                resume=self.goes_on, retries=retries if self.retries is None else self.retries
            ),
            timeout=math.inf if timeout is None else timeout,
            progress_interval=interval if self.streams else None,
        )

    def command(self, start_position: int) -> str:
        """Return the shell command that goes on from `start_position`.

        Its budget is what is left of this one's, or as much again where nothing is left.
        """
        is_left = start_position < self.limit
        maximum = self.limit - start_position if is_left else self.maximum_hashes
        options = {
            "--server": self.server,
            "--ideal-distance": self.ideal_distance or None,
            "--show-inferior": self.inferior_distance,
            "--progress-interval": self.progress_interval,
            "--maximum-hashes": None if self.maximum_hashes is None else maximum,
            "--timeout": self.timeout,
            "--retry": self.retries,
            "--shards": self.shards,
            "--shard": self.shard and "{}/{}".format(*self.shard),
            "--range-size": self.range_size,
            "--result-file": self.result_file,
            "--start-position": start_position,
        }
        flags = {
            "--progress": self.show_progress,
            "--resume": self.resume,
            "--json": self.as_json,
        }
        words = ["hashfinder", "find"]
        words += [flag for flag, is_set in flags.items() if is_set]
        for option, value in options.items():
            words += [] if value is None else [option, str(value)]
        words += ["--", self.name] if self.name.startswith("-") else [self.name]
        return shlex.join(words)
