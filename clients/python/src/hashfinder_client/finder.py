"""`Finder`: the client for programs that block."""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Self

import grpc

from hashfinder_client.blocking_runner import BlockingRunner
from hashfinder_client.channel import LINGER, connect
from hashfinder_client.estimation import check_server, estimate
from hashfinder_client.events import Match, SearchEvent
from hashfinder_client.query import Query
from hashfinder_client.renewable_channel import RenewableChannel
from hashfinder_client.retry import RetryPolicy
from hashfinder_client.settings import DEFAULT_PROGRESS_INTERVAL, DEFAULT_TIMEOUT, FinderSettings
from hashfinder_client.tls import Tls
from hashfinder_client.token_file import TokenFile
from hashfinder_proto.hash_name_pb2 import SearchEstimate


class Finder:
    """Searches from any thread, several at once. A context manager, which closes it."""

    def __init__(
        self,
        target: str | grpc.Channel,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        policy: RetryPolicy | None = None,
        progress_interval: float = DEFAULT_PROGRESS_INTERVAL,
        tls: Tls | None = None,
        token_file: str | os.PathLike[str] | None = None,
    ) -> None:
        """Connect with the first search.

        Args:
            target: HOST:PORT; or dns:///HOST:PORT for all servers of that name, each RPC on the
                next one; or unix:/path for a server on this machine; or a channel, which remains
                the caller's.
            timeout: seconds for a search as a whole; `math.inf` for no bound.
            policy: when to resume; by default wherever that is possible.
            progress_interval: seconds between two reports, 0.05 to 3600. A connection that is lost
                costs at most what is searched in this time.
            tls: how to speak TLS; None for plain text.
            token_file: the file with the token that says who asks; the next RPC after a change has
                the new one. Only over TLS, or to a server on this machine.

        Raises:
            ValueError: the target is none of these, or a number is out of its range, or a file of
                `tls` or the token cannot be used, or would be sent in plain text over a network.
        """
        self._settings = FinderSettings(
            timeout=timeout, policy=policy or RetryPolicy(), progress_interval=progress_interval
        )
        self._channel = RenewableChannel(
            target, connect, tls, None if token_file is None else TokenFile(token_file)
        )
        self._lock = threading.Lock()
        self._runners: set[BlockingRunner] = set()
        self._cancelled_at = -LINGER

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the searches under way with a `FinderClosedError`, and close what it opened."""
        with self._lock:
            runners = list(self._runners)
        for runner in runners:
            runner.stop()
        channels = self._channel.close()
        if channels:
            time.sleep(max(0.0, self._cancelled_at + LINGER - time.monotonic()))
        for channel in channels:
            channel.close()

    def estimate(
        self,
        query: Query | str,
        *,
        timeout: float | None = None,
    ) -> SearchEstimate:
        """Return how probable a result is, and how many hashes it takes. Searches nothing.

        Args:
            query: what would be searched for, or just the name.
            timeout: seconds, if not the finder's own.

        Raises:
            OutdatedServerError: the server is older than `Estimate`.
            StoppedError: it does not answer, or refuses the query; the subclass says who acts.
            FinderClosedError: the finder is closed.
            ValueError: the timeout is out of its range.
        """
        whole = Query(query) if isinstance(query, str) else query
        return estimate(self._channel, whole, self._settings.timeout_of(timeout))

    def find(
        self, query: Query | str, *, timeout: float | None = None, shards: int | None = None
    ) -> Match:
        """Return the first result within the query's ideal distance.

        Args:
            query: what to search for, or just the name.
            timeout: seconds, if not the finder's own.
            shards: how many ranges to search at once, each by an RPC of its own, over all servers
                of the target; None for one RPC at a time. The result is the same.

        Raises:
            StoppedError: it ended without one; the subclass says who acts. OutdatedServerError:
                the query is not classic, and the server would search for something else.
            VerificationError: the server sent something that is not true.
            FinderClosedError: the finder is closed.
            ValueError: a number is out of its range.
        """
        with self.find_range(query, timeout=timeout, shards=shards) as events:
            match = deque(events, maxlen=1).pop()
        assert isinstance(match, Match)  # noqa: S101 - the events end with it, or raise
        return match

    @contextmanager
    def find_range(
        self, query: Query | str, *, timeout: float | None = None, shards: int | None = None
    ) -> Iterator[Iterator[SearchEvent]]:
        """Give an iterator of all that happens; the RPCs are cancelled where the block is left.

        It yields each `Match` in order of position, `Progress`, and a `Pause` before each further
        RPC. It ends with the first match within the ideal distance, or raises, as `find` does.
        """
        search = self._settings.begin(query, timeout, shards)
        check_server(self._channel, search.query, self._settings.timeout_of(timeout))
        runner = BlockingRunner(self._channel, search)
        with self._lock:
            self._runners.add(runner)
        try:
            with closing(runner.events()) as events:
                yield events
        finally:
            if runner.close():
                self._cancelled_at = time.monotonic()
            with self._lock:
                self._runners.discard(runner)
