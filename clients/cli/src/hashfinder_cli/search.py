"""What the user asked for on the command line."""

import math
import shlex
from dataclasses import dataclass, field, replace

from hashfinder_cli.options.groups import words_of
from hashfinder_cli.options.pattern import Pattern
from hashfinder_cli.options.search import Connection, Limits, Ranges, Shown
from hashfinder_client.division import DEFAULT_RANGE_SIZE, Division
from hashfinder_client.query import Query
from hashfinder_client.resumable_search import ResumableSearch
from hashfinder_client.retry import DEFAULT_RETRIES, RetryPolicy
from hashfinder_client.settings import DEFAULT_PROGRESS_INTERVAL
from hashfinder_client.sharded_search import ShardedSearch


@dataclass(frozen=True)
class Search:
    """A search, as the command line gives it."""

    pattern: Pattern
    connection: Connection = field(default_factory=Connection)
    limits: Limits = field(default_factory=Limits)
    ranges: Ranges = field(default_factory=Ranges)
    shown: Shown = field(default_factory=Shown)

    @property
    def query(self) -> Query:
        """What is searched for, and where."""
        return Query(
            self.pattern.name,
            ideal_distance=self.pattern.ideal_distance,
            inferior_distance=self.shown.show_inferior,
            start_position=self.limits.start_position,
            maximum_hashes=self.limits.maximum_hashes,
        )

    @property
    def server(self) -> str:
        """HOST:PORT, or dns:///HOST:PORT for all servers of that name."""
        return self.connection.server

    @property
    def shows_progress(self) -> bool:
        """Whether reports are shown."""
        return self.shown.progress or self.shown.progress_interval is not None

    @property
    def division(self) -> Division | None:
        """How it is cut into ranges; None where it is not."""
        given = self.ranges
        size = DEFAULT_RANGE_SIZE if given.range_size is None else given.range_size
        if given.shards is not None:
            return Division(range_size=size, width=given.shards)
        if given.shard is not None:
            index, _, count = given.shard.partition("/")
            return Division(range_size=size, index=int(index), count=int(count))
        return None

    @property
    def resumes(self) -> bool:
        """Whether the search continues after the end of an RPC; one in ranges always does."""
        return self.limits.resume or self.division is not None

    @property
    def streams(self) -> bool:
        """Whether it takes FindRange; Find is enough for a lone result in one RPC."""
        return self.shows_progress or self.resumes or self.shown.show_inferior is not None

    def begin(self) -> ShardedSearch:
        """Begin it."""
        return ShardedSearch(
            self.query, self.division, self.range_search, timeout=self.limits.timeout
        )

    def command(self, start_position: int) -> str:
        """Return the shell command that resumes from `start_position`.

        Its budget is what is left of this one's, or as much again where nothing is left.
        """
        limits = replace(self.limits, start_position=None)
        if limits.maximum_hashes is not None and start_position < self.query.limit:
            limits = replace(limits, maximum_hashes=self.query.limit - start_position)
        shown = replace(self.shown, progress=self.shows_progress)
        options = words_of(self.connection, self.pattern, shown, limits, self.ranges)
        name = self.pattern.name
        words = ["hashfinder", "find", *options, "--start-position", str(start_position)]
        return shlex.join([*words, "--", name] if name.startswith("-") else [*words, name])

    def range_search(self, part: Query, timeout: float | None) -> ResumableSearch:
        """Begin the search of `part`, a range of it or all, within `timeout` seconds.

        A stream always carries progress, shown or not: it is what makes the search resumable.
        """
        given = self.shown.progress_interval
        interval = DEFAULT_PROGRESS_INTERVAL if given is None else given
        retries = DEFAULT_RETRIES if self.resumes else 0
        policy = RetryPolicy(
            resume=self.resumes,
            retries=retries if self.limits.retry is None else self.limits.retry,
        )
        return ResumableSearch(
            part,
            policy,
            timeout=math.inf if timeout is None else timeout,
            progress_interval=interval if self.streams else None,
        )
