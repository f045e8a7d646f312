"""`Finder`: the client for programs that block."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Self

import grpc

from hashfinder_client.blocking_runner import BlockingRunner
from hashfinder_client.channel import LINGER
from hashfinder_client.events import SearchEvent
from hashfinder_client.match import Match
from hashfinder_client.query import Query
from hashfinder_client.renewable_channel import RenewableChannel
from hashfinder_client.retry import RetryPolicy
from hashfinder_client.settings import DEFAULT_PROGRESS_INTERVAL, DEFAULT_TIMEOUT, FinderSettings


class Finder:
    """Searches from any thread, several at once. A context manager, which closes it."""

    def __init__(
        self,
        target: str | grpc.Channel,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        policy: RetryPolicy | None = None,
        progress_interval: float = DEFAULT_PROGRESS_INTERVAL,
    ) -> None:
        """Connect with the first search.

        Args:
            target: HOST:PORT; or dns:///HOST:PORT for all servers of that name, each RPC on the
                next one; or a channel, which remains the caller's.
            timeout: seconds for a search as a whole; `math.inf` for no bound.
            policy: when to resume; by default wherever that is possible.
            progress_interval: seconds between two reports, 0.05 to 3600. A connection that is lost
                costs at most what is searched in this time.

        Raises:
            ValueError: the target is none of these, or a number is out of its range.
        """
        self._settings = FinderSettings(
            timeout=timeout, policy=policy or RetryPolicy(), progress_interval=progress_interval
        )
        self._channel = RenewableChannel(target, grpc.insecure_channel)
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
            StoppedError: it ended without one; the subclass says who acts.
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
        runner = BlockingRunner(self._channel, self._settings.begin(query, timeout, shards))
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
