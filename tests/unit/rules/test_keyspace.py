"""Positions and secrets: exhaustively for small keyspaces, at the limits for large ones."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder_rules.keyspace import Keyspace
from tests import oracle
from tests.unit.rules.schemes import keyspaces


@pytest.mark.parametrize("alphabet", [b"01", b"10", b"\xff\x00a", b"0123456789", bytes(range(256))])
@pytest.mark.parametrize("length", [None, 0, 1, 2, 3])
def test_positions_number_the_secrets_in_order(alphabet: bytes, length: int | None) -> None:
    """The first 3,000 secrets equal an enumeration by `itertools`."""
    keyspace = Keyspace(alphabet, length)
    expected = list(islice(oracle.secrets(alphabet, length), 3000))
    actual = [keyspace.secret_at(p) for p in range(min(3000, keyspace.end))]
    assert expected == actual
    assert list(range(len(actual))) == [keyspace.position_of(secret) for secret in actual]
    assert [len(secret) for secret in actual] == [keyspace.length_at(p) for p in range(len(actual))]


@given(keyspace=keyspaces(), data=st.data())
def test_position_of_is_the_inverse_everywhere(keyspace: Keyspace, data: st.DataObject) -> None:
    """Up to the last position, and at the first of every length."""
    last = keyspace.end - 1
    position = data.draw(st.integers(0, last) | st.sampled_from([0, last]))
    secret = keyspace.secret_at(position)
    assert position == keyspace.position_of(secret)
    assert len(secret) == keyspace.length_at(position)
    if keyspace.length is None and secret:
        first = keyspace.first_position(len(secret))
        assert keyspace.alphabet[:1] * len(secret) == keyspace.secret_at(first)
        assert keyspace.alphabet[-1:] * (len(secret) - 1) == keyspace.secret_at(first - 1)


@pytest.mark.parametrize(
    ("keyspace", "end"),
    [
        (Keyspace(), 2**64),
        (Keyspace(b"01"), 2**64),
        (Keyspace(b"01", 63), 2**63),
        (Keyspace(b"01", 64), 2**64),
        (Keyspace(b"01", 65), 2**64),
        (Keyspace(b"0123456789", 4), 10_000),
        (Keyspace(length=8), 2**64),
        (Keyspace(length=0), 1),
        (Keyspace(length=1024), 2**64),
    ],
)
def test_a_keyspace_ends_with_its_last_secret_or_with_the_positions(
    keyspace: Keyspace, end: int
) -> None:
    """A fixed length has size**length secrets; positions have at most 64 bits."""
    assert end == keyspace.end
    keyspace.secret_at(end - 1)
    for position in (-1, end):
        with pytest.raises(ValueError, match="position must be 0 to"):
            keyspace.secret_at(position)


@pytest.mark.parametrize(
    ("keyspace", "secret"),
    [
        (Keyspace(b"01"), b"2"),
        (Keyspace(b"01", 3), b"01"),
        (Keyspace(), bytes(9)),
        (Keyspace(b"01", 70), b"1" * 70),
    ],
)
def test_a_secret_outside_has_no_position(keyspace: Keyspace, secret: bytes) -> None:
    """Another byte, another length, or a position of more than 64 bits is refused."""
    with pytest.raises(ValueError, match=r"not in the alphabet|outside the keyspace"):
        keyspace.position_of(secret)
