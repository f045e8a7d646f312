"""A hash-rate allowance for each client: a token bucket whose tokens are hashes."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from hashfinder.domain.allowance import Allowance, AllowanceOf


@dataclass(slots=True)
class _Bucket:
    hashes: float
    updated: float
    overdrawn: bool = False


class Quota:
    """Token buckets, one for each client, of the size and with the rate of its allowance.

    A bucket may go below empty by the chunks that were in flight. Memory is bounded: a full bucket
    is the same as none, and of more than `clients` the one unused for longest is forgotten.

    A client that has emptied its bucket waits until a tenth of it is filled again, so that it does
    not retry for a few hashes at a time. Not thread-safe.
    """

    def __init__(
        self, allowance_of: AllowanceOf, clock: Callable[[], float], clients: int = 10_000
    ) -> None:
        """Take the allowances, which may change, and how many clients are remembered."""
        self._allowance_of = allowance_of
        self._clock = clock
        self._clients = clients
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def charge(self, client: str, hashes: int) -> float:
        """Take `hashes` from the client's bucket, whether it holds them or not; return `delay`."""
        allowance = self._allowance_of(client)
        if not allowance.hash_rate:
            return 0.0
        bucket = self._refilled(client, allowance)
        if bucket is None:
            bucket = _Bucket(allowance.hash_burst, self._clock())
        bucket.hashes -= hashes
        bucket.overdrawn |= bucket.hashes <= 0
        self._buckets[client] = bucket
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._clients:
            self._buckets.popitem(last=False)
        return _delay(bucket, allowance)

    def delay(self, client: str) -> float:
        """Return after how many seconds the client may search again; 0 for now."""
        allowance = self._allowance_of(client)
        bucket = self._refilled(client, allowance) if allowance.hash_rate else None
        return _delay(bucket, allowance) if bucket else 0.0

    def _refilled(self, client: str, allowance: Allowance) -> _Bucket | None:
        bucket = self._buckets.get(client)
        if bucket is None:
            return None
        now = self._clock()
        refill = (now - bucket.updated) * allowance.hash_rate
        bucket.hashes = min(allowance.hash_burst, bucket.hashes + refill)
        bucket.updated = now
        bucket.overdrawn &= bucket.hashes < _enough(allowance)
        if bucket.hashes == allowance.hash_burst:
            del self._buckets[client]
            return None
        return bucket


def _delay(bucket: _Bucket, allowance: Allowance) -> float:
    missing = _enough(allowance) - bucket.hashes
    return missing / allowance.hash_rate if bucket.overdrawn else 0.0


def _enough(allowance: Allowance) -> float:
    return allowance.hash_burst / 10
