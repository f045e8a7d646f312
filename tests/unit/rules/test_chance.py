"""Chances against measured frequencies, and the numbers derived from them."""

import math
from functools import cache
from itertools import islice, product
from operator import ne

import pytest

from hashfinder_rules.chance import Chance
from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme
from tests import oracle

_HASHES = 12_000
_BITS = Scheme(encoding=Encoding.BINARY, anchor=Anchor.START)
_HEX = Scheme(encoding=Encoding.HEX)

QUERIES = [
    # One place: exact at any distance.
    Query("ab", 0, scheme=Scheme(encoding=Encoding.HEX, anchor=Anchor.START)),
    Query("abc", 1, scheme=Scheme(encoding=Encoding.HEX, anchor=Anchor.END)),
    Query("s", 0, scheme=Scheme(anchor=Anchor.END)),
    Query("as", 1, scheme=Scheme(anchor=Anchor.END)),
    Query("a?s", 0, scheme=Scheme(anchor=Anchor.END, wildcard="?")),
    Query("0" * 8, 0, scheme=_BITS),
    Query("0" * 12, 2, scheme=_BITS),
    Query("1?0?1", 0, scheme=Scheme(encoding=Encoding.BINARY, anchor=Anchor.END, wildcard="?")),
    Query("a", 0, scheme=Scheme(Algorithm.SHA256, Encoding.BASE32, Anchor.END)),
    # Several places, exact names.
    Query("a"),
    Query("ab"),
    Query("aa"),
    Query("8="),
    Query("abc", scheme=_HEX),
    Query("a?a", scheme=Scheme(encoding=Encoding.HEX, wildcard="?")),
    Query("a??b?", scheme=Scheme(wildcard="?")),
    Query("Ab", scheme=Scheme(Algorithm.SHA256, case_sensitive=True)),
    Query("q7", scheme=Scheme(Algorithm.SHA512, Encoding.BASE32)),
    Query("a-", scheme=Scheme(Algorithm.SHA512, Encoding.BASE64URL)),
    # Several places, a distance: bounds.
    Query("doc", 1),
    Query("doctor", 3),
    Query("doctor", 4),
    Query("doctor", 5),
    Query("aaaa", 1, scheme=_HEX),
    Query("abab", 2, scheme=_HEX),
    Query("a?b?c", 2, scheme=Scheme(encoding=Encoding.HEX, wildcard="?")),
    Query("bw=", 1),
]


@cache
def _texts(algorithm: Algorithm, encoding: Encoding) -> list[str]:
    return [
        oracle.hash_text(algorithm.name, encoding.name, secret)
        for secret in islice(oracle.secrets(bytes(range(256)), None), _HASHES)
    ]


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_a_chance_agrees_with_the_measured_frequency(query: Query) -> None:
    """Over 12,000 hashes the frequency is within the bounds and five standard deviations."""
    scheme = query.scheme
    distances = oracle.distances(
        query.name,
        _texts(scheme.algorithm, scheme.encoding),
        scheme.anchor.name,
        scheme.wildcard,
        case_sensitive=scheme.case_sensitive,
    )
    hits = sum(distance <= query.ideal_distance for distance in distances)
    chance = Chance.of(query)
    assert chance.lower * _HASHES >= 20, "too rare to be measured"
    assert 0 < chance.lower <= chance.upper <= 1
    tolerance = 5 * math.sqrt(chance.upper / _HASHES)
    assert chance.lower - tolerance <= hits / _HASHES <= chance.upper + tolerance
    is_exact = len(scheme.offsets(len(query.name))) == 1 or query.ideal_distance == 0
    assert is_exact == chance.exact


def test_simple_chances_are_known_exactly() -> None:
    """A letter in any case at 26 whole places and the partial one; bits; a whole digest."""
    assert Chance.of(Query("a")).lower == pytest.approx(1 - (1 - 2 / 64) ** 26 * (1 - 1 / 16))
    assert Chance.of(Query("=")).lower == 1
    assert Chance.of(Query("0" * 32, scheme=_BITS)).lower == 2**-32
    assert Chance.of(Query("0" * 160, scheme=_BITS)).lower == 2**-160
    doctor = Chance.of(Query("doctor"))
    assert doctor.lower == pytest.approx(21 / 2**30, rel=1e-6)
    assert [35.4, 117.7, 235.5] == [round(doctor.hashes_for(p) / 1e6, 1) for p in (0.5, 0.9, 0.99)]
    assert 51.1 == round(doctor.expected_hashes / 1e6, 1)


@pytest.mark.parametrize(("name", "distance"), [("abc", 1), ("aba", 1), ("aaa", 1), ("abab", 1)])
def test_bounds_follow_from_the_chances_of_one_place_and_of_two(name: str, distance: int) -> None:
    """Dawson and Sankoff's lower bound and Kounias's upper one, of texts that are all tried."""

    def both(shift: int) -> float:
        """Return how probably two places of a hex text hit that are so far apart."""
        symbols = {**dict.fromkeys(name, 1 / 16), "-": 1 - len(set(name)) / 16}
        return math.fsum(
            math.prod(symbols[symbol] for symbol in text)
            for text in product(symbols, repeat=len(name) + shift)
            if all(sum(map(ne, name, place)) <= distance for place in (text, text[shift:]))
        )

    single = both(0)
    near = [both(shift) for shift in range(1, len(name))]
    count = 40 - len(name) + 1
    rows = []
    for place in range(count):
        shifts = [abs(place - other) for other in range(count) if other != place]
        rows.append(sum(near[s - 1] if s < len(name) else single**2 for s in shifts))
    total, pairs = count * single, sum(rows) / 2
    k = 1 + int(2 * pairs / total)
    chance = Chance.of(Query(name, distance, scheme=_HEX))
    assert chance.lower == pytest.approx(2 / (k + 1) * total - 2 * pairs / (k * (k + 1)))
    assert chance.upper == pytest.approx(total - max(rows))


def test_every_candidate_can_be_ideal() -> None:
    """With a distance as large as the name, every hash is ideal."""
    for chance in (Chance.of(Query("abc", 3)), Chance.of(Query("abc", 3, scheme=_HEX))):
        assert chance.exact
        assert (1, 1, 1, 1) == (
            chance.lower,
            chance.expected_hashes,
            chance.hashes_for(0.99),
            chance.chance_by(1),
        )
        assert 0 == chance.chance_by(0)


def test_a_finite_keyspace_limits_the_hashes_of_a_search() -> None:
    """A search of 10,000 candidates takes at most as many; fewer from a later start."""
    query = Query("0" * 16, scheme=_BITS, keyspace=Keyspace(b"0123456789", 4))
    chance = Chance.of(query)
    assert 10_000 == chance.candidates
    assert 10_000 == chance.hashes_for(0.99)
    assert chance.expected_hashes == pytest.approx((1 - (1 - 2**-16) ** 10_000) * 2**16)
    assert chance.chance_by(10_000) == chance.chance_by(10**9) < 0.15
    assert 1_000 == Chance.of(query, 9_000).hashes_for(0.5)
    hopeless = Chance.of(Query("0" * 160, scheme=_BITS))
    assert 2.0**64 == hopeless.hashes_for(0.5)
    assert hopeless.expected_hashes == pytest.approx(2**64)


@pytest.mark.parametrize(
    "query",
    [
        Query("ab" * 32, 30, scheme=Scheme(Algorithm.SHA512, Encoding.HEX)),
        Query("0123456789abcdef" * 4, 0, scheme=Scheme(Algorithm.SHA512, Encoding.HEX)),
        Query("a?" * 20 + "b", 0, scheme=Scheme(Algorithm.SHA512, Encoding.HEX, wildcard="?")),
        Query("?a" * 43, 40, scheme=Scheme(Algorithm.SHA512, wildcard="?")),
        Query("01" * 256, 250, scheme=Scheme(Algorithm.SHA512, Encoding.BINARY, Anchor.END)),
    ],
    ids=lambda q: f"{q.name[:4]}-{q.ideal_distance}",
)
def test_the_chance_of_the_longest_names_is_computed_quickly(query: Query) -> None:
    """If the exact chance is too expensive there are bounds, so that the time is limited."""
    chance = Chance.of(query)
    assert 0 < chance.lower <= chance.upper <= 1
    assert chance.hashes_for(0.5) <= chance.hashes_for(0.99)
