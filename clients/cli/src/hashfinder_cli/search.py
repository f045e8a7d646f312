"""What the user asked for on the command line."""

import math
import shlex
from dataclasses import dataclass, field, replace
from functools import cached_property

import typer

from hashfinder_cli.options.groups import words_of
from hashfinder_cli.options.pattern import Pattern
from hashfinder_cli.options.search import Kept, Limits, Ranges, SearchConnection, Shown, Wanted
from hashfinder_cli.options.secrets import Secrets
from hashfinder_cli.security import tls_of, token_of
from hashfinder_client.division import DEFAULT_RANGE_SIZE, Division
from hashfinder_client.query import Query
from hashfinder_client.resumable_search import ResumableSearch
from hashfinder_client.retry import DEFAULT_RETRIES, RetryPolicy
from hashfinder_client.settings import DEFAULT_PROGRESS_INTERVAL
from hashfinder_client.sharded_search import ShardedSearch
from hashfinder_client.tls import Tls
from hashfinder_client.token_file import TokenFile
from hashfinder_rules import query as rules


@dataclass(frozen=True)
class Search:
    """A search, as the command line gives it."""

    pattern: Pattern
    connection: SearchConnection = field(default_factory=SearchConnection)
    limits: Limits = field(default_factory=Limits)
    ranges: Ranges = field(default_factory=Ranges)
    shown: Shown = field(default_factory=Shown)
    secrets: Secrets = field(default_factory=Secrets)
    wanted: Wanted = field(default_factory=Wanted)
    kept: Kept = field(default_factory=Kept)
    stamp: str | None = None
    """The hashcash stamp whose counter is searched for, without one; None for other searches."""

    def __post_init__(self) -> None:
        """Refuse contradictory options.

        Raises:
            typer.BadParameter: it does.
        """
        if self.wanted.count > 1 and self.ranges.shard is not None:
            message = "--count and --shard exclude each other"
            raise typer.BadParameter(message)

    @cached_property
    def query(self) -> Query:
        """What is searched for, and where."""
        return Query(
            self.pattern.text,
            ideal_distance=self.pattern.ideal_distance,
            inferior_distance=self.shown.show_inferior,
            start_position=self.limits.start_position,
            maximum_hashes=self.limits.maximum_hashes,
            scheme=self.pattern.scheme,
            keyspace=self.secrets.keyspace,
            secret_prefix=self.secrets.prefix,
            secret_suffix=self.secrets.suffix,
        )

    def behind(self, position: int) -> "Search":
        """Return the remaining search after an ideal match at `position`."""
        limits = replace(self.limits, start_position=position + 1)
        if limits.maximum_hashes is not None:
            limits = replace(limits, maximum_hashes=self.query.limit - position - 1)
        return replace(self, limits=limits, wanted=Wanted(count=self.wanted.count - 1))

    @property
    def server(self) -> str:
        """The target: one of the forms of `hashfinder_client.target.check_target`."""
        return self.connection.server

    @cached_property
    def tls(self) -> Tls | None:
        """How to speak TLS; None for plain text.

        Raises:
            typer.BadParameter: a file cannot be used.
        """
        return tls_of(self.connection)

    @cached_property
    def token(self) -> TokenFile | None:
        """The token to send; None for none.

        Raises:
            typer.BadParameter: it cannot be used.
        """
        return token_of(self.connection, self.tls)

    @property
    def shows_progress(self) -> bool:
        """Whether reports are shown."""
        return self.shown.progress or self.shown.progress_interval is not None

    @property
    def shows_lines_of_progress(self) -> bool:
        """Whether reports are shown for people, as lines where there is no terminal."""
        return self.shows_progress and not self.shown.as_json

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
        """Whether the search continues after the end of an RPC; in ranges, or kept, it does."""
        return self.limits.resume or self.division is not None or self.kept.state is not None

    @property
    def streams(self) -> bool:
        """Whether it takes FindRange; Find is enough for a lone result in one RPC."""
        return self.shows_progress or self.resumes or self.shown.show_inferior is not None

    def begin(self, elapsed: float = 0.0) -> ShardedSearch:
        """Begin the search, when `elapsed` seconds of its timeout have passed."""
        timeout = self.limits.timeout
        left = None if timeout is None else max(0.0, timeout - elapsed)
        return ShardedSearch(self.query, self.division, self.range_search, timeout=left)

    def command(self, start_position: int) -> str:
        """Return the shell command that resumes from `start_position`.

        Its budget is what is left of this one's, or as much again where nothing is left.
        """
        limits = replace(self.limits, start_position=None)
        if limits.maximum_hashes is not None and start_position < self.query.limit:
            limits = replace(limits, maximum_hashes=self.query.limit - start_position)
        shown = replace(self.shown, progress=self.shows_progress)
        groups = (self.connection, self.pattern, self.secrets, shown, limits, self.ranges)
        options = words_of(*groups, self.wanted)
        name = self.pattern.name
        words = ["hashfinder", "find", *options, "--start-position", str(start_position)]
        if name is not None:
            words += ["--", name] if name.startswith("-") else [name]
        return shlex.join(words)

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


@dataclass(frozen=True)
class JobSearch(Search):
    """The search of a command that makes something of the match, and so always resumes."""

    job: rules.Query = field(default_factory=lambda: rules.Query(""))
    """What is searched for, at a distance of 0; the range is that of the limits."""
    words: tuple[str, ...] = ()
    """The command that searches for the same again, without where to begin; empty if none does."""

    @cached_property
    def query(self) -> Query:
        """What is searched for, and where."""
        return Query(
            self.job.name,
            start_position=self.limits.start_position,
            maximum_hashes=self.limits.maximum_hashes,
            scheme=self.job.scheme,
            keyspace=self.job.keyspace,
            secret_prefix=self.job.secret_prefix,
            secret_suffix=self.job.secret_suffix,
        )

    @property
    def resumes(self) -> bool:
        """Whether the search continues after the end of an RPC."""
        return True

    def command(self, start_position: int) -> str:
        """Return the shell command that resumes from `start_position`; empty if none does."""
        if not self.words:
            return ""
        options = words_of(self.connection, replace(self.limits, start_position=None, resume=False))
        return shlex.join([*self.words, *options, "--start-position", str(start_position)])
