"""The meaning of any query, implemented with hashlib, base64 and a loop over characters.

Nothing here uses the rules that the kernels share.
"""

import base64
import hashlib
from array import array
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import compress
from operator import ne

from hashfinder.kernel import Scan
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Anchor, Encoding

TEXTS: dict[Encoding, Callable[[bytes], str]] = {
    Encoding.BASE64: lambda digest: base64.b64encode(digest).decode(),
    Encoding.BASE64URL: lambda digest: base64.urlsafe_b64encode(digest).decode().rstrip("="),
    Encoding.HEX: lambda digest: base64.b16encode(digest).decode().lower(),
    Encoding.BASE32: lambda digest: base64.b32encode(digest).decode(),
    Encoding.BINARY: lambda digest: "".join(f"{byte:08b}" for byte in digest),
}
LOWER = {ord(upper): upper.lower() for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def secret_at(query: Query, position: int) -> bytes:
    """Return the secret at a position: a numeral, bijective if secrets have any length."""
    alphabet, length = query.keyspace.alphabet, query.keyspace.length
    digits: list[int] = []
    while position if length is None else len(digits) < length:
        position -= length is None
        position, digit = divmod(position, len(alphabet))
        digits.append(alphabet[digit])
    return bytes(reversed(digits))


def text_at(query: Query, position: int) -> str:
    """Return the text of the hash of the message at a position."""
    message = query.secret_prefix + secret_at(query, position) + query.secret_suffix
    algorithm = query.scheme.algorithm.name.lower()
    return TEXTS[query.scheme.encoding](hashlib.new(algorithm, message).digest())


def distance_at(query: Query, position: int) -> int:
    """Return the smallest distance of the name at the places that the anchor allows."""
    text, name, scheme = text_at(query, position), query.name, query.scheme
    if not scheme.case_sensitive:
        text, name = text.translate(LOWER), name.translate(LOWER)
    counts = [character != scheme.wildcard for character in query.name]
    wanted = list(compress(name, counts))
    places = {
        Anchor.ANYWHERE: range(len(text) - len(name) + 1),
        Anchor.START: range(1),
        Anchor.END: [len(text.rstrip("=")) - len(name)],
    }[scheme.anchor]
    smallest: int = min(sum(map(ne, wanted, compress(text[place:], counts))) for place in places)
    return smallest


def expected_scan(query: Query, start: int, stop: int, best_distance: int, capacity: int) -> Scan:
    """Return what a scan must return, by applying its rules one after another."""
    results = array("Q")
    best = None
    undecided = replace(query, ideal_distance=0, interesting_distance=0)
    for position, distance in enumerate(_distances(undecided, start, stop), start):
        if distance < best_distance:
            best_distance, best = distance, (position, distance)
        if distance <= max(query.ideal_distance, query.interesting_distance):
            results.append(position)
        found = distance <= query.ideal_distance
        if found or len(results) == capacity:
            return Scan(position + 1, results, best, found)
    return Scan(stop, results, best)


@cache
def _distances(query: Query, start: int, stop: int) -> list[int]:
    """Return the distances of a range, computed once for all backends."""
    return [distance_at(query, position) for position in range(start, stop)]
