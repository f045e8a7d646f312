"""The size of chunks."""

import pytest

from hashfinder.scheduling.pace import Pace


def test_chunks_last_about_as_long_as_asked_for() -> None:
    """Their size follows the measured rate, from a single position to some millions."""
    pace = Pace()
    for hashes, size in ((8_000_000, 80_000), (2_000, 20), (10, 1), (2**40, 2**24)):
        for _ in range(80):
            pace.measured(hashes, 0.1)
        assert pytest.approx(size, rel=0.01, abs=1) == pace.chunk_size(0.001, guess=1)
        assert 1 <= pace.chunk_size(0.001, guess=1) <= 2**24


@pytest.mark.parametrize(("hashes", "seconds"), [(0, 0.1), (100, 0.0), (0, 0.0)])
def test_chunk_without_measure_changes_no_estimate(hashes: int, seconds: float) -> None:
    """A failed one, or one too short for the clock: the guess goes on."""
    pace = Pace()
    pace.measured(hashes, seconds)
    assert 50 == pace.chunk_size(0.001, guess=50_000)


def test_single_slow_chunk_does_not_upset_the_estimate() -> None:
    """The first chunk sets it; each further one moves it by half of the difference."""
    pace = Pace()
    pace.measured(100_000, 0.1)
    assert 1000 == pace.chunk_size(0.001, guess=1)
    pace.measured(50_000, 0.1)
    assert 750 == pace.chunk_size(0.001, guess=1)
