"""Which names can occur, against every text that an encoding can write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder_rules.reachable import smallest_distance
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme
from hashfinder_rules.score import distance
from tests.unit.rules.schemes import schemes

_S256_32 = Scheme(Algorithm.SHA256, Encoding.BASE32)


@pytest.mark.parametrize(
    ("name", "scheme", "smallest"),
    [
        ("doctor", Scheme(), 0),
        ("doct-r", Scheme(), 1),
        ("\u212aelvin", Scheme(), 1),
        ("b=", Scheme(), 1),
        ("a=", Scheme(), 0),
        ("r", Scheme(anchor=Anchor.END), 1),
        ("s", Scheme(anchor=Anchor.END), 0),
        ("s=", Scheme(anchor=Anchor.END), 1),
        ("?=", Scheme(anchor=Anchor.END, wildcard="?"), 1),
        ("DEAD", Scheme(encoding=Encoding.HEX), 0),
        ("DEAD", Scheme(encoding=Encoding.HEX, case_sensitive=True), 4),
        ("xyz", Scheme(encoding=Encoding.HEX), 3),
        ("abc", Scheme(encoding=Encoding.BASE32, case_sensitive=True), 3),
        ("abc", Scheme(encoding=Encoding.BASE32), 0),
        ("a1", Scheme(encoding=Encoding.BASE32), 1),
        ("a====", _S256_32, 0),
        ("b====", _S256_32, 1),
        ("q====", _S256_32, 0),
        ("a-_", Scheme(encoding=Encoding.BASE64URL), 0),
        ("a+/", Scheme(encoding=Encoding.BASE64URL), 2),
        ("0" * 160, Scheme(encoding=Encoding.BINARY, anchor=Anchor.START), 0),
        ("012", Scheme(encoding=Encoding.BINARY, anchor=Anchor.START), 1),
        ("Q==", Scheme(Algorithm.SHA512), 0),
        ("E==", Scheme(Algorithm.SHA512), 1),
    ],
)
def test_smallest_distances(name: str, scheme: Scheme, smallest: int) -> None:
    """Each character that is impossible at its place adds one to the distance."""
    assert smallest == smallest_distance(name, scheme)


@given(scheme=schemes(), message=st.binary(max_size=20), data=st.data())
def test_every_part_of_a_text_is_reachable(
    scheme: Scheme, message: bytes, data: st.DataObject
) -> None:
    """Any part of a hash's text, at a place that the anchor allows, has distance 0."""
    text = scheme.hash_text(message)
    length = data.draw(st.integers(1, scheme.longest_name))
    offset = data.draw(st.sampled_from(scheme.offsets(length)))
    assert 0 == smallest_distance(text[offset : offset + length], scheme)


@given(scheme=schemes(), message=st.binary(max_size=20), data=st.data())
def test_no_hash_is_closer_than_the_smallest_distance(
    scheme: Scheme, message: bytes, data: st.DataObject
) -> None:
    """This includes names with characters that no text has."""
    longest = min(scheme.longest_name, 40)
    name = data.draw(st.text("aAbBzZ019+/-_=?. K\u212a", min_size=1, max_size=longest))
    text = scheme.hash_text(message)
    assert smallest_distance(name, scheme) <= distance(name, text, scheme)
