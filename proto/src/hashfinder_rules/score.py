"""How close a text comes to a name."""

from operator import ne
from typing import NamedTuple

from hashfinder_rules.scheme import Scheme


class Match(NamedTuple):
    """The place where a text comes closest to a name."""

    distance: int
    """The Hamming distance there: characters of the name that differ, wildcards excepted."""
    offset: int
    """The index in the text of the name's first character."""


def match(name: str, text: str, scheme: Scheme) -> Match:
    """Return the first of the places where `text`, a hash's, comes closest to `name`.

    Args:
        name: 1 to `scheme.longest_name` characters.
        text: from `scheme.text`, its whole length.
        scheme: what may differ at no cost, and where the name may stand.
    """
    # A wildcard is no symbol: it counts as a difference first.
    wildcards = name.count(scheme.wildcard) if scheme.wildcard else 0
    pattern, folded = scheme.fold(name), scheme.fold(text)
    offsets = scheme.offsets(len(name))
    exact = folded.find(pattern, offsets[0], offsets[-1] + len(name))
    if exact >= 0:  # as in most results; no offset needs to be tried
        return Match(0, exact)
    differences, offset = min((sum(map(ne, pattern, folded[place:])), place) for place in offsets)
    return Match(differences - wildcards, offset)


def distance(name: str, text: str, scheme: Scheme) -> int:
    """Return the smallest distance between `name` and a part of `text`. See `match`."""
    return match(name, text, scheme).distance
