"""The size of chunks, and the rates that it is computed from."""

import pytest

from hashfinder.kernel import Scan, load_kernel
from hashfinder.scheduling.pace import Pace, Rates, measure
from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm, Scheme


def test_chunks_take_about_the_requested_time() -> None:
    """Their size follows the measured rate, from a single position to some millions."""
    pace = Pace()
    for hashes, size in ((8_000_000, 80_000), (2_000, 20), (10, 1), (2**40, 2**24)):
        for _ in range(80):
            pace.measured(hashes, 0.1)
        assert pytest.approx(size, rel=0.01, abs=1) == pace.chunk_size(0.001, guess=1)
        assert 1 <= pace.chunk_size(0.001, guess=1) <= 2**24


@pytest.mark.parametrize(("hashes", "seconds"), [(0, 0.1), (100, 0.0), (0, 0.0)])
def test_unmeasurable_chunk_does_not_change_the_estimate(hashes: int, seconds: float) -> None:
    """A failed chunk, or one too short for the clock."""
    pace = Pace()
    pace.measured(hashes, seconds)
    assert 50 == pace.chunk_size(0.001, guess=50_000)


def test_single_slow_chunk_does_not_upset_the_estimate() -> None:
    """The first chunk sets the estimate; each later one moves it by half of the difference."""
    pace = Pace()
    pace.measured(100_000, 0.1)
    assert 1000 == pace.chunk_size(0.001, guess=1)
    pace.measured(50_000, 0.1)
    assert 750 == pace.chunk_size(0.001, guess=1)


def test_a_rate_is_shared_by_searches_with_the_same_hash() -> None:
    """The rate is per block of a candidate; another algorithm has its own rate."""
    rates = Rates()
    short, long = Query("a"), Query("b", secret_suffix=bytes(9 * 64))
    other = Query("a", scheme=Scheme(Algorithm.SHA512))
    assert rates.known(short) is None
    assert rates.guess(short) == 10 * rates.guess(long)

    rates.measured(long, 1_000_000.0, 100_000)
    assert 1_000_000 == rates.known(long) == rates.guess(long)
    assert 10_000_000 == rates.known(short)
    assert rates.known(other) is None


def test_a_short_scan_gives_a_preliminary_rate() -> None:
    """The call's overhead dominates it: such an estimate could be wrong by a thousand times."""
    rates, query = Rates(), Query("a")
    rates.measured(query, 5_000.0, 10)
    assert rates.known(query) is None
    rates.measured(query, 1_000_000.0, 100_000)
    rates.measured(query, 5_000.0, 10)
    assert (1_000_000, 5_000) == (rates.known(query), rates.guess(query))


@pytest.mark.parametrize(
    "query",
    [
        Query("doctor"),
        Query("a", 1),  # every candidate ends a scan
        Query("0", keyspace=Keyspace(b"01", 0)),
        Query("a", secret_suffix=bytes(40_000)),
    ],
    ids=["usual", "hits", "one candidate", "long"],
)
def test_a_rate_is_measured_within_any_keyspace(query: Query) -> None:
    """Even if scans end early, or the keyspace has a single candidate."""
    assert measure(load_kernel().prepare(query), query) > 0


def test_a_rate_is_measured_in_the_keyspace_alone() -> None:
    """No scan leaves the keyspace, even if that is shorter than a chunk."""
    scanned: list[tuple[int, int]] = []

    class Scanner:
        def scan(
            self, start: int, stop: int, best: int, capacity: int, halt: bytearray | None = None
        ) -> Scan:
            scanned.append((start, stop))
            return Scan(stop, [])

    measure(Scanner(), Query("a", keyspace=Keyspace(b"0123456789", 2)))
    assert (50, 66) == scanned[0]
    assert all(0 <= start < stop <= 100 for start, stop in scanned)
