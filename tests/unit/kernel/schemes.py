"""The meaning of any query, by the tests' oracle.

Nothing here uses the rules that the kernels share.
"""

from dataclasses import replace
from functools import cache

from hashfinder.kernel import Scan
from hashfinder_rules.query import Query
from tests import oracle
from tests.unit.kernel.oracle import scan


def secret_at(query: Query, position: int) -> bytes:
    """Return the secret at a position: a numeral, bijective if secrets have any length."""
    alphabet, length = query.keyspace.alphabet, query.keyspace.length
    digits: list[int] = []
    while position:
        position -= length is None
        position, digit = divmod(position, len(alphabet))
        digits.append(alphabet[digit])
    return bytes(reversed(digits)).rjust(length or 0, alphabet[:1])


def text_at(query: Query, position: int) -> str:
    """Return the text of the hash of the message at a position."""
    message = query.secret_prefix + secret_at(query, position) + query.secret_suffix
    return oracle.hash_text(query.scheme.algorithm.name, query.scheme.encoding.name, message)


def expected_scan(query: Query, start: int, stop: int, best_distance: int, capacity: int) -> Scan:
    """Return what a scan must return, by applying its rules one after another."""
    found = distances(replace(query, ideal_distance=0, interesting_distance=0), start, stop)
    result = max(query.ideal_distance, query.interesting_distance)
    return Scan(*scan(found, start, query.ideal_distance, result, best_distance, capacity))


@cache
def distances(query: Query, start: int, stop: int) -> list[int]:
    """Return the smallest distance of the name at the places that the anchor allows, in a range."""
    scheme = query.scheme
    return oracle.distances(
        query.name,
        _texts(replace(query, name=""), start, stop),
        scheme.anchor.name,
        scheme.wildcard,
        case_sensitive=scheme.case_sensitive,
    )


@cache
def _texts(query: Query, start: int, stop: int) -> list[str]:
    """Return the texts of a range, computed once for all names."""
    return [text_at(query, position) for position in range(start, stop)]
