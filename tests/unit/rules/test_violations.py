"""The violations of a request, each with its field, and all of them at once."""

from dataclasses import replace

import pytest

from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme
from hashfinder_rules.violations import LONGEST_AFFIXES, violations

_HEX = Scheme(encoding=Encoding.HEX)
_BITS = Scheme(encoding=Encoding.BINARY, anchor=Anchor.START)
_DIGITS = Keyspace(b"0123456789", 4)

WRONG: list[tuple[Query, str, str]] = [
    (Query(""), "desired_name", "must have 1 to 28 characters"),
    (Query("a" * 29), "desired_name", "must have 1 to 28 characters"),
    (Query("a" * 41, scheme=_HEX), "desired_name", "must have 1 to 40 characters"),
    (Query("0" * 161, scheme=_BITS), "desired_name", "must have 1 to 160 characters"),
    (
        Query("a" * 28, scheme=Scheme(anchor=Anchor.END)),
        "desired_name",
        "must have 1 to 27 characters",
    ),
    (Query("xyz", scheme=_HEX), "desired_name", "a distance of 3"),
    (Query("xyz", 2, scheme=_HEX), "desired_name", "only the characters 0-9 a-f in either case"),
    (Query("2", scheme=_BITS), "desired_name", "only the characters 0-1"),
    (Query("r", scheme=Scheme(anchor=Anchor.END)), "desired_name", "one of 16"),
    (
        Query("abc", scheme=Scheme(encoding=Encoding.BASE32, case_sensitive=True)),
        "desired_name",
        "a distance of 3, and ideal_hamming_distance is 0: the base32 text of a SHA-1 ",
    ),
    (Query("???", scheme=Scheme(wildcard="?")), "desired_name", "not the wildcard"),
    (Query("abc", 4), "ideal_hamming_distance", "0 to 3"),
    (Query("abc", -1), "ideal_hamming_distance", "0 to 3"),
    (Query("abc", 0, 4), "interesting_hamming_distance", "0 to 3"),
    (Query("1", scheme=Scheme(encoding=Encoding.BINARY)), "anchor", "ANCHOR_START or ANCHOR_END"),
    (Query("abc", scheme=Scheme(wildcard="??")), "wildcard", "one character"),
    (Query("abc", scheme=Scheme(wildcard="+")), "wildcard", "no character of base64"),
    (Query("abc", scheme=Scheme(wildcard="=")), "wildcard", "no character of base64"),
    (Query("abc", scheme=replace(_HEX, wildcard="F")), "wildcard", "no character of hex"),
    (Query("101", scheme=replace(_BITS, wildcard="0")), "wildcard", "no character of binary"),
    (Query("a", secret_prefix=bytes(LONGEST_AFFIXES + 1)), "secret_prefix", "0 to 49152 bytes"),
    (Query("a", secret_suffix=bytes(LONGEST_AFFIXES + 1)), "secret_suffix", "0 to 49152 bytes"),
    (Query("a", keyspace=Keyspace(b"aba")), "secret_alphabet", "0x61 occurs more than once"),
    (Query("a", keyspace=Keyspace(b"a" * 300)), "secret_alphabet", "2 to 256 distinct bytes"),
    (Query("a", keyspace=Keyspace(b"a")), "secret_alphabet", "2 to 256 distinct bytes"),
    (Query("a", keyspace=Keyspace(length=1025)), "secret_length", "0 to 1024"),
    (Query("a", keyspace=Keyspace(length=-1)), "secret_length", "0 to 1024"),
]


@pytest.mark.parametrize(("query", "field", "text"), WRONG, ids=range(len(WRONG)))
def test_each_violation_is_named_alone(query: Query, field: str, text: str) -> None:
    """One wrong value is one violation, with the allowed values."""
    [violation] = violations(query)
    assert field == violation.field
    assert text in violation.description


RIGHT = [
    Query("a" * 28, 28),
    Query("DEAD", scheme=_HEX),
    Query("DE?D", scheme=replace(_HEX, wildcard="?")),
    Query("dead", scheme=replace(_HEX, wildcard="F", case_sensitive=True)),
    Query("a=a", 1, scheme=Scheme(wildcard="=", encoding=Encoding.BASE64URL)),
    Query("0" * 512, scheme=Scheme(Algorithm.SHA512, Encoding.BINARY, Anchor.END)),
    Query("a", secret_prefix=bytes(LONGEST_AFFIXES)),
    Query("a", secret_prefix=bytes(24 * 1024), secret_suffix=bytes(24 * 1024)),
    Query("a", keyspace=Keyspace(b"ab", 0)),
    Query("a", keyspace=Keyspace(bytes(range(256)), 1024)),
]


@pytest.mark.parametrize("query", RIGHT, ids=range(len(RIGHT)))
def test_valid_query_has_no_violation(query: Query) -> None:
    """The limits of all ranges are allowed."""
    assert [] == violations(query, start_position=0, maximum_hashes=1)
    last = query.keyspace.end - 1
    assert [] == violations(query, start_position=last, maximum_hashes=2**64 - 1)


@pytest.mark.parametrize(
    ("keyspace", "start", "text"),
    [
        (Keyspace(), -1, "0 to 2^64 - 1"),
        (Keyspace(), 2**64, "0 to 2^64 - 1"),
        (_DIGITS, 10_000, "0 to 9999"),
        (Keyspace(length=0), 1, "0 to 0"),
    ],
)
def test_a_start_outside_of_the_keyspace(keyspace: Keyspace, start: int, text: str) -> None:
    """A finite keyspace has no position beyond its last."""
    [violation] = violations(Query("a", keyspace=keyspace), start_position=start)
    assert "start_position" == violation.field
    assert text in violation.description


@pytest.mark.parametrize("maximum", [0, -1, 2**64])
def test_a_budget_is_1_to_the_largest_position(maximum: int) -> None:
    """An absent budget differs from 0."""
    [violation] = violations(Query("a"), maximum_hashes=maximum)
    assert "maximum_hashes" == violation.field


def test_all_violations_are_reported_at_once() -> None:
    """In the order of the fields; both affixes if they are too long together."""
    half = bytes(LONGEST_AFFIXES // 2 + 1)
    scheme = Scheme(Algorithm.SHA512, Encoding.BINARY, Anchor.ANYWHERE, wildcard="1")
    query = Query("x", 2, -1, scheme, Keyspace(b"aa", 2000), half, half)
    fields = [v.field for v in violations(query, start_position=-1, maximum_hashes=0)]
    assert [
        "ideal_hamming_distance",
        "interesting_hamming_distance",
        "start_position",
        "maximum_hashes",
        "anchor",
        "wildcard",
        "secret_prefix",
        "secret_suffix",
        "secret_alphabet",
        "secret_length",
    ] == fields


def test_an_unknown_scheme_hides_only_violations_that_depend_on_it() -> None:
    """The name's characters cannot be checked then, but an empty name is still a violation."""
    assert [] == violations(Query("?" * 99 + "a"), scheme_is_known=False)
    query = Query("", keyspace=Keyspace(b"a"))
    fields = [v.field for v in violations(query, scheme_is_known=False)]
    assert ["desired_name", "secret_alphabet"] == fields
