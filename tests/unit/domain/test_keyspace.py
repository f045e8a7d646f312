"""The keyspace: a numbering of byte strings without gap or double."""

from itertools import chain, product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hashfinder.domain.keyspace import (
    KEYSPACE_END,
    first_position,
    length_at,
    position_of,
    secret_at,
)

# The first position of each length, counted: as many strings as there are shorter ones.
FIRST_POSITIONS = [sum(256**shorter for shorter in range(length)) for length in range(9)]

positions = st.integers(0, KEYSPACE_END - 1)


@pytest.mark.parametrize(
    ("position", "secret"),
    [
        (0, b""),
        (1, b"\x00"),
        (256, b"\xff"),
        (257, b"\x00\x00"),
        (258, b"\x00\x01"),
        (65792, b"\xff\xff"),
        (65793, b"\x00\x00\x00"),
        (2**64 - 1, bytes.fromhex("fefefefefefefefe")),
    ],
)
def test_positions_are_those_of_the_contract(position: int, secret: bytes) -> None:
    """The examples of the contract, and the last position: 2^64 - 1 = 8 digits of 255."""
    assert secret == secret_at(position)
    assert position == position_of(secret)


def test_all_strings_of_up_to_two_bytes_come_by_length_then_in_lexicographic_order() -> None:
    """The definition itself, spelled out."""
    by_length = (product(range(256), repeat=length) for length in range(3))
    expected = [bytes(digits) for digits in chain.from_iterable(by_length)]

    assert expected == [secret_at(position) for position in range(len(expected))]


@given(positions)
@example(2**64 - 1)
def test_position_survives_the_way_to_a_secret_and_back(position: int) -> None:
    """`position_of` inverts `secret_at`."""
    assert position == position_of(secret_at(position))


@given(st.binary(max_size=7))
@example(b"\xff" * 7)
def test_secret_survives_the_way_to_a_position_and_back(secret: bytes) -> None:
    """`secret_at` inverts `position_of`: no secret is left out, 0xFF included."""
    assert secret == secret_at(position_of(secret))


@given(positions, positions)
def test_order_of_positions_is_length_then_lexicographic(one: int, other: int) -> None:
    """Positions sort as their secrets do."""
    first, second = secret_at(one), secret_at(other)

    assert (one < other) == ((len(first), first) < (len(second), second))


@pytest.mark.parametrize("length", range(9))
def test_lengths_begin_and_end_where_counted(length: int) -> None:
    """At each border of lengths the string is all zeros, and the one before it all 0xFF."""
    first = FIRST_POSITIONS[length]

    assert first == first_position(length)
    assert bytes(length) == secret_at(first)
    assert length == length_at(first)
    if length:
        assert b"\xff" * (length - 1) == secret_at(first - 1)
        assert length - 1 == length_at(first - 1)


@given(positions)
def test_length_is_that_of_the_secret(position: int) -> None:
    """`length_at` agrees with `secret_at`."""
    assert len(secret_at(position)) == length_at(position)


@pytest.mark.parametrize("position", [-1, 2**64, 2**64 + 1, -(2**64)])
def test_outside_the_keyspace_there_is_no_secret(position: int) -> None:
    """The error tells the range and what came."""
    with pytest.raises(ValueError, match=rf"0 to 2\^64 - 1, not {position}$"):
        secret_at(position)
