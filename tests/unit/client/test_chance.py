"""The chance of a hit, against an exact computation and against real hashes."""

import random
from base64 import b64encode
from collections import Counter, defaultdict
from fractions import Fraction

import pytest

from hashfinder_client.chance import chance_of_hit, hit_probability
from hashfinder_client.verification import score

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_PLACES = [_ALPHABET] * 26 + [_ALPHABET[::4], "="]
"""The symbols of each place of a hash, equally likely; the 27th has four bits, then two zeros."""


def exact_probability(name: str, distance: int) -> Fraction:
    """Return the probability of a hit, over all places together.

    Reads a hash symbol by symbol; the state is, of every place where the name may still turn out to
    stand, how many characters of it were compared and how many differed.
    """
    states: dict[tuple[tuple[int, int], ...], Fraction] = {(): Fraction(1)}
    hit = Fraction(0)
    for place, symbols in enumerate(_PLACES):
        following: dict[tuple[tuple[int, int], ...], Fraction] = defaultdict(Fraction)
        begins = ((0, 0),) if place + len(name) <= len(_PLACES) else ()
        for state, probability in states.items():
            for symbol, count in Counter(symbols.lower()).items():
                compared = [
                    (length + 1, differing + (name[length] != symbol))
                    for length, differing in (*state, *begins)
                ]
                alive = tuple(pair for pair in compared if pair[1] <= distance)
                share = probability * count / len(symbols)
                if any(length == len(name) for length, _ in alive):
                    hit += share
                else:
                    following[alive] += share
        states = following
    return hit


@pytest.mark.parametrize(
    ("name", "distance"),
    [("a", 0), ("=", 0), ("k=", 0), ("b=", 0), ("7", 0), ("doc", 0), ("doc", 1), ("doctor", 1)],
)
def test_names_of_different_characters(name: str, distance: int) -> None:
    """For names that do not resemble themselves, the probability is right within half a percent."""
    exact = float(exact_probability(name, distance))

    assert pytest.approx(exact, rel=0.005) == hit_probability(name, distance)


@pytest.mark.parametrize(("distance", "excess"), [(0, 1.031), (1, 1.249), (2, 1.571)])
def test_a_letter_repeated(distance: int, excess: float) -> None:
    """For one letter repeated it is too high, by what the docstring says."""
    exact = float(exact_probability("aaaaaa", distance))

    assert pytest.approx(excess, rel=0.001) == hit_probability("aaaaaa", distance) / exact


def test_case_does_not_count() -> None:
    """The case of the name's letters makes no difference."""
    assert hit_probability("doctor", 1) == hit_probability("DocTOR", 1)


def test_nothing_to_hit() -> None:
    """A name that no hash can contain has no chance, one that every hash contains is certain."""
    assert 0 == hit_probability("-", 0)
    assert 1 == hit_probability("-", 1)
    assert 1 == hit_probability("x", 2**31 - 1)


def test_against_real_hashes() -> None:
    """The share of hits among random SHA-1s is as computed, within five standard deviations."""
    seed = random.randrange(2**32)  # noqa: S311 - no secret
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    generator = random.Random(seed)  # noqa: S311
    for name, distance in [("ab", 0), ("doc", 1), ("w4=", 1)]:
        count = 5_000
        texts = (b64encode(generator.randbytes(20)).decode() for _ in range(count))
        hits = sum(score(name, text)[0] <= distance for text in texts)
        probability = float(exact_probability(name, distance))
        deviation = (count * probability * (1 - probability)) ** 0.5
        assert abs(hits - count * probability) < 5 * deviation


@pytest.mark.parametrize(
    ("probability", "hashes", "chance"),
    [(0.5, 2, 0.75), (0.0, 10**18, 0.0), (1.0, 0, 0.0), (1.0, 1, 1.0), (1e-12, 10**12, 0.63212)],
)
def test_chance(probability: float, hashes: int, chance: float) -> None:
    """The chance among n candidates is 1 - (1 - p)^n, also for tiny p and huge n."""
    assert pytest.approx(chance, rel=1e-5) == chance_of_hit(probability, hashes)
