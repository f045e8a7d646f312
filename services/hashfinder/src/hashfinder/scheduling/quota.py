"""A hash-rate allowance for each client: a token bucket whose tokens are hashes."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    hashes: float
    updated: float
    overdrawn: bool = False


class Quota:
    """Token buckets of `burst` hashes, refilled at `rate` hashes a second; one for each client.

    A bucket may go below empty by the chunks that were in flight. Memory is bounded: a full bucket
    is the same as none, and of more than `clients` the one unused for longest is forgotten.

    A client that has emptied its bucket waits until a tenth of it is filled again, so that it does
    not retry for a few hashes at a time. Not thread-safe.
    """

    def __init__(
        self, rate: int, burst: int, clock: Callable[[], float], clients: int = 10_000
    ) -> None:
        """Take the refill rate in hashes a second (0: no limit) and the size of a bucket."""
        self.rate = rate
        self._burst = burst
        self._enough = burst / 10
        self._clock = clock
        self._clients = clients
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def charge(self, client: str, hashes: int) -> float:
        """Take `hashes` from the client's bucket, whether it holds them or not; return `delay`."""
        if not self.rate:
            return 0.0
        bucket = self._refilled(client) or _Bucket(self._burst, self._clock())
        bucket.hashes -= hashes
        bucket.overdrawn |= bucket.hashes <= 0
        self._buckets[client] = bucket
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._clients:
            self._buckets.popitem(last=False)
        return self._delay(bucket)

    def delay(self, client: str) -> float:
        """Return after how many seconds the client may search again; 0 for now."""
        bucket = self._refilled(client)
        return self._delay(bucket) if bucket else 0.0

    def _delay(self, bucket: _Bucket) -> float:
        return (self._enough - bucket.hashes) / self.rate if bucket.overdrawn else 0.0

    def _refilled(self, client: str) -> _Bucket | None:
        bucket = self._buckets.get(client)
        if bucket is None:
            return None
        now = self._clock()
        bucket.hashes = min(self._burst, bucket.hashes + (now - bucket.updated) * self.rate)
        bucket.updated = now
        bucket.overdrawn &= bucket.hashes < self._enough
        if bucket.hashes == self._burst:
            del self._buckets[client]
            return None
        return bucket
