"""The score of a candidate against an independent implementation."""

from base64 import b64decode, b64encode
from hashlib import sha1
from random import Random
from string import ascii_letters, digits

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hashfinder.domain.candidate import Candidate, distance_between, hash_text
from hashfinder.domain.keyspace import secret_at
from hashfinder.domain.query import Query, smallest_distance

names = st.text(
    st.sampled_from(ascii_letters + digits + "+/=-. \u212a\u017f\u00e9"), min_size=1, max_size=28
)
positions = st.integers(0, 2**64 - 1) | st.integers(0, 70_000)


def alike(one: str, other: str) -> bool:
    """Say whether two characters count as the same: equal, or one ASCII letter in two cases."""
    return one == other or (one in ascii_letters and one.swapcase() == other)


def naive_distance(name: str, text: str) -> int:
    """Return the score by the contract's words: the best of all equally long parts."""
    best = len(name)
    for offset in range(len(text) - len(name) + 1):
        differing = 0
        for index, character in enumerate(name):
            if not alike(character, text[offset + index]):
                differing += 1
        best = min(best, differing)
    return best


@given(names, positions)
@example("2jmj7l5rSw0yVb/vlWAYkK/YBwk=", 0)
@example("=", 0)
@example("a", 2**64 - 1)
def test_score_is_that_of_the_naive_implementation(name: str, position: int) -> None:
    """For every name and position; the text is base64 of the hash of the position's bytes."""
    candidate = Candidate.at(position, Query(name, 0))
    text = b64encode(sha1(secret_at(position), usedforsecurity=False).digest()).decode()

    assert position == candidate.position
    assert secret_at(position) == candidate.secret
    assert text == candidate.hashed_name
    assert naive_distance(name, text) == candidate.distance
    assert smallest_distance(name) <= candidate.distance <= len(name)


@given(positions, st.integers(0, 27), st.integers(1, 28), st.randoms())
def test_part_of_the_text_itself_is_at_distance_zero_in_any_case(
    position: int, offset: int, length: int, random: Random
) -> None:
    """Letter case does not count, at any place, the padding included."""
    text = hash_text(secret_at(position)).decode()
    part = text[offset : offset + length]
    mixed = "".join(random.choice((c.lower(), c.upper())) for c in part)

    assert 0 == Candidate.at(position, Query(mixed, 0)).distance


def test_hash_of_the_empty_string_is_the_well_known_one() -> None:
    """SHA-1 of nothing: da39a3ee..."""
    expected = bytes.fromhex("da39a3ee5e6b4b0d3255bfef95601890afd80709")
    assert expected == b64decode(hash_text(b""))


@pytest.mark.parametrize(
    ("name", "distance"),
    [("ab", 0), ("AB", 0), ("b=", 0), ("xy", 2), ("ax", 1), ("=b", 1), ("=x", 2)],
)
def test_distance_between_known_texts(name: str, distance: int) -> None:
    """By hand."""
    text = b"AB" + b"." * 24 + b"b="
    assert distance == distance_between(Query(name, 0).pattern, text)


def test_character_that_no_hash_has_matches_nothing() -> None:
    """Its place in the pattern differs from every text, also from one with a zero byte's twin."""
    candidate = Candidate.at(0, Query("\u212a" * 28, 0))
    assert 28 == candidate.distance
