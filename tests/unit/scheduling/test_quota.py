"""The allowance of hashes, with a fake clock."""

import gc
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder.scheduling.quota import Quota
from tests.unit.scheduling.allowances import allow
from tests.unit.virtual_time import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still."""
    return FakeClock()


@pytest.fixture
def quota(clock: FakeClock) -> Quota:
    """Return an allowance of 10 hashes a second and 100 at once."""
    return Quota(allow(hash_rate=10, hash_burst=100), clock)


def test_new_client_may_use_its_burst_at_once(quota: Quota) -> None:
    """To the last hash, and not one more."""
    assert 0 == quota.delay("a")
    quota.charge("a", 99)
    assert 0 == quota.delay("a")
    quota.charge("a", 1)
    assert 0 < quota.delay("a")


def test_overdraft_counts(quota: Quota) -> None:
    """Chunks in flight are charged later, up to a tenth of the bucket."""
    quota.charge("a", 100)
    assert 1.0 == quota.delay("a")
    quota.charge("a", 50)
    assert 6.0 == quota.delay("a")


def test_delay_counts_down_and_ends_as_announced(quota: Quota, clock: FakeClock) -> None:
    """A client may search again after the retry delay, but not before."""
    quota.charge("a", 150)
    clock.now += 5.5
    assert pytest.approx(0.5) == quota.delay("a")
    clock.now += 0.4
    assert pytest.approx(0.1) == quota.delay("a")
    clock.now += 0.101
    assert 0 == quota.delay("a")


def test_bucket_refills_up_to_the_burst_and_no_further(quota: Quota, clock: FakeClock) -> None:
    """A long pause gives at most a full bucket."""
    quota.charge("a", 100)
    clock.now += 10_000
    assert 0 == quota.delay("a")
    quota.charge("a", 99)
    assert 0 == quota.delay("a")
    quota.charge("a", 2)
    assert pytest.approx(1.1) == quota.delay("a")


def test_clients_do_not_pay_for_each_other(quota: Quota) -> None:
    """Each client has its own bucket."""
    quota.charge("a", 1000)
    assert 0 == quota.delay("b")


def test_rate_of_zero_is_no_limit(clock: FakeClock) -> None:
    """Whatever is charged."""
    quota = Quota(allow(hash_rate=0, hash_burst=1), clock)
    quota.charge("a", 2**64)
    assert 0 == quota.delay("a")


@given(
    st.integers(1, 10**9),
    st.integers(1, 10**12),
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10**10)), max_size=20),
)
def test_usage_is_limited_by_burst_and_rate(
    rate: int, burst: int, steps: list[tuple[float, int]]
) -> None:
    """A client that searches only without a delay uses at most burst + rate x time + one chunk."""
    clock = FakeClock()
    quota = Quota(allow(hash_rate=rate, hash_burst=burst), clock)
    used = largest = 0
    began = clock.now
    for pause, hashes in steps:
        clock.now += pause
        if not quota.delay("a"):
            quota.charge("a", hashes)
            used += hashes
            largest = max(largest, hashes)
        assert used <= (burst + rate * (clock.now - began)) * (1 + 1e-9) + largest + 1


@given(st.integers(1, 10**9), st.integers(1, 10**12), st.integers(0, 10**13))
def test_delay_is_never_negative_and_long_enough(rate: int, burst: int, hashes: int) -> None:
    """Once it has passed, the client may search."""
    clock = FakeClock()
    quota = Quota(allow(hash_rate=rate, hash_burst=burst), clock)
    quota.charge("a", hashes)
    delay = quota.delay("a")
    assert delay >= 0
    assert (hashes >= burst) == (delay > 0)
    clock.now += delay * (1 + 1e-9) + 1e-6
    assert 0 == quota.delay("a")


def test_memory_is_bounded_however_many_clients_come(clock: FakeClock) -> None:
    """A hundred thousand clients leave no more behind than the last ten thousand."""
    quota = Quota(allow(hash_rate=1, hash_burst=100), clock)
    gc.collect()  # what other tests have left is not counted here
    before = sys.getallocatedblocks()
    for n in range(10_000):
        quota.charge(f"first {n}", 1000)
    few = sys.getallocatedblocks() - before
    for n in range(100_000):
        quota.charge(f"later {n}", 1000)
    many = sys.getallocatedblocks() - before

    assert few >= 20_000  # a name and a bucket each
    assert many < 1.2 * few
    assert 0 == quota.delay("first 9999")
    assert 0 == quota.delay("later 89999")
    assert 0 < quota.delay("later 90000")


def test_the_client_unused_for_longest_is_forgotten_first(clock: FakeClock) -> None:
    """A client that keeps searching is remembered, however long ago it arrived."""
    quota = Quota(allow(hash_rate=1, hash_burst=100), clock, clients=2)
    for client in ("old", "idle", "old", "new"):
        quota.charge(client, 100)
    assert 0 == quota.delay("idle")
    assert 0 < quota.delay("old")
    assert 0 < quota.delay("new")
