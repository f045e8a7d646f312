"""The chance of `Estimate` against counts of the kernel in C over millions of hashes.

The number of matches among N hashes is binomial. It must be within six standard deviations of N
times the chance: the exact chance, or one between the bounds.
"""

import math
from array import array
from itertools import product
from random import Random

import pytest

from hashfinder_rules.chance import Chance
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import PADDING, Algorithm, Anchor, Encoding, Scheme

native = pytest.importorskip("hashfinder.kernel.native", reason="built without the C kernel")

SEED = 20261126
HASHES = 2**19
RESULTS = array("Q", bytes(8 * HASHES))
QUERIES = 4
"""Drawn for each hash, encoding and anchor; every other one has no wildcards."""
DEVIATIONS = 6
FEWEST_HITS = 500
MOST_HITS = HASHES * 3 // 4

SCHEMES = [
    (algorithm, encoding, anchor)
    for algorithm, encoding, anchor in product(Algorithm, Encoding, Anchor)
    # the contract requires an anchor for binary
    if (encoding, anchor) != (Encoding.BINARY, Anchor.ANYWHERE)
]


def draw_query(random: Random, scheme: Scheme) -> Query:
    """Draw a short name and a distance that neither almost all nor almost no hashes reach.

    It uses few symbols, so that names often overlap with themselves.
    """
    while True:
        length = random.randint(1, 16 if scheme.encoding is Encoding.BINARY else 5)
        few = random.sample(scheme.encoding.symbols, min(3, len(scheme.encoding.symbols)))
        wild = [scheme.wildcard] if scheme.wildcard and length > 2 else []
        name = "".join(random.choices([*few, *wild], k=length))
        distance = random.randint(0, length // 2)
        query = Query(name, distance, 0, scheme)
        if FEWEST_HITS <= HASHES * Chance.of(query).lower <= MOST_HITS:
            return query


def count_hits(query: Query, start: int) -> int:
    """Return how many of HASHES candidates are within the ideal distance.

    A match would end a scan. So the name gets one more character, which matches nothing, and the
    distance is larger by one. The character comes before a name at a text's end, else after it.
    """
    scheme, keyspace = query.scheme, query.keyspace
    offsets = scheme.offsets(len(query.name))
    before = scheme.anchor is Anchor.END
    symbols_of = native._symbols_of(scheme.encoding, scheme.case_sensitive)  # noqa: SLF001
    matches = [
        ((1 << len(scheme.encoding.symbols)) - 1, True)
        if character == scheme.wildcard
        else (symbols_of.get(scheme.fold(character), 0), character == PADDING)
        for character in query.name
    ]
    matches.insert(0 if before else len(matches), (0, False))
    scanner = native._native.prepare(  # noqa: SLF001
        native.supported_variants()[0],
        scheme.algorithm.value - 1,
        query.secret_prefix,
        query.secret_suffix,
        keyspace.alphabet,
        -1,
        scheme.encoding.bits,
        scheme.text_length + (scheme.anchor is Anchor.ANYWHERE),
        array("Q", (symbols for symbols, _ in matches)),
        bytes(padding for _, padding in matches),
        offsets[0] - before,
        offsets[-1] - before,
        0,
        query.ideal_distance + 1,
    )
    last, hits, *_ = native._native.scan(  # noqa: SLF001
        scanner, start, start + HASHES - 1, 0, RESULTS, None
    )
    assert start + HASHES - 1 == last
    return int(hits)


@pytest.mark.parametrize(
    ("algorithm", "encoding", "anchor"),
    SCHEMES,
    ids=["-".join(part.name for part in scheme) for scheme in SCHEMES],
)
def test_hits_are_as_frequent_as_estimated(
    algorithm: Algorithm, encoding: Encoding, anchor: Anchor
) -> None:
    """Names with and without wildcards, case-sensitive or not, with and without a distance."""
    random = Random(f"{SEED} {algorithm.name} {encoding.name} {anchor.name}")  # noqa: S311
    for number in range(QUERIES):
        wildcard = "?" if number % 2 else ""
        query = draw_query(
            random, Scheme(algorithm, encoding, anchor, random.random() < 0.5, wildcard)
        )
        chance = Chance.of(query)
        hits = count_hits(query, random.randrange(2**40))

        least = HASHES * chance.lower - DEVIATIONS * deviation(chance.lower)
        most = HASHES * chance.upper + DEVIATIONS * deviation(chance.upper)
        assert least <= hits <= most, f"seed {SEED}: {query}, {chance}: {hits} of {HASHES}"


def deviation(chance: float) -> float:
    """Return the standard deviation of the number of hits among HASHES."""
    return math.sqrt(HASHES * chance * (1 - chance))
