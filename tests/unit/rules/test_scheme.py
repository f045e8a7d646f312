"""The texts of hashes: every algorithm with every encoding, against `hashlib` and `base64`."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme
from tests import oracle
from tests.unit.rules.schemes import schemes

EVERY = list(itertools.product(Algorithm, Encoding))


@pytest.mark.parametrize(("algorithm", "encoding"), EVERY)
@given(message=st.binary(max_size=300))
def test_the_text_of_a_hash_is_what_the_encoding_writes(
    algorithm: Algorithm, encoding: Encoding, message: bytes
) -> None:
    """Every combination agrees with the standard library's encoders, including case and padding."""
    scheme = Scheme(algorithm, encoding)
    expected = oracle.hash_text(algorithm.name, encoding.name, message)
    assert expected == scheme.hash_text(message)
    assert len(expected) == scheme.text_length
    assert len(expected.rstrip("=")) == scheme.symbol_count


@pytest.mark.parametrize(("algorithm", "encoding"), EVERY)
@pytest.mark.parametrize("case_sensitive", [False, True])
def test_possible_characters_at_each_place_are_those_that_occur(
    algorithm: Algorithm, encoding: Encoding, *, case_sensitive: bool
) -> None:
    """Over some thousand hashes each place has exactly its possible characters."""
    scheme = Scheme(algorithm, encoding, case_sensitive=case_sensitive)
    texts = [scheme.fold(scheme.hash_text(b"%d" % n)) for n in range(3000)]
    assert [set(place) for place in scheme.places] == [set(c) for c in zip(*texts, strict=True)]
    for place in scheme.places:
        assert sum(place.values()) == 1


@pytest.mark.parametrize("algorithm", Algorithm)
def test_blocks_count_padding_and_length(algorithm: Algorithm) -> None:
    """A message fills its last block at 55 bytes (SHA-512: 111); one more needs another block."""
    room = algorithm.block_size - algorithm.block_size // 8 - 1
    sizes = [0, room, room + 1, room + algorithm.block_size, room + algorithm.block_size + 1]
    assert [1, 1, 2, 2, 3] == [algorithm.blocks(size) for size in sizes]


@given(scheme=schemes(), message=st.binary(max_size=20), data=st.data())
def test_offsets_are_those_that_the_anchor_allows(
    scheme: Scheme, message: bytes, data: st.DataObject
) -> None:
    """END ends before the padding, START is the start, and ANYWHERE is every offset."""
    length = data.draw(st.integers(1, scheme.longest_name))
    text = scheme.hash_text(message)
    expected = oracle.offsets(scheme.anchor.name, "x" * length, text)
    assert expected == list(scheme.offsets(length))


def test_only_ascii_letters_fold() -> None:
    """The Kelvin sign, a dotted capital I and the long s are unchanged."""
    assert "az-09\u212a\u0130\u017f" == Scheme().fold("Az-09\u212a\u0130\u017f")
    assert "Az" == Scheme(case_sensitive=True).fold("Az")


def test_the_default_is_the_classic_search() -> None:
    """SHA-1, base64, anywhere, any case, no wildcard: 28 characters, the last of which is `=`."""
    scheme = Scheme()
    assert (28, 27, 28) == (scheme.text_length, scheme.symbol_count, scheme.longest_name)
    assert set("aeimquycgkosw048") == set(scheme.places[26])
    assert scheme == Scheme(Algorithm.SHA1, Encoding.BASE64, Anchor.ANYWHERE)
