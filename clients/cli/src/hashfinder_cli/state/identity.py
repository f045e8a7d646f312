"""The identity of a search: everything that determines its results and their positions.

The server, timeouts and what is shown do not: a search may go on elsewhere.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import TypeAlias

from hashfinder_cli.search import Search

Identity: TypeAlias = Mapping[str, object]

_NAMES = {
    "stamp": "the stamp",
    "name": "the name",
    "ideal_distance": "--ideal-distance",
    "inferior_distance": "--show-inferior",
    "algorithm": "the hash",
    "encoding": "the encoding",
    "anchor": "the anchor",
    "case_sensitive": "--case-sensitive",
    "wildcard": "the wildcard",
    "prefix": "what is hashed before the secret",
    "suffix": "what is hashed after the secret",
    "alphabet": "the alphabet",
    "length": "the length of the secret",
    "start_position": "--start-position",
    "maximum_hashes": "--maximum-hashes",
    "count": "--count",
    "range_size": "the size of ranges (--shards, --shard, --range-size)",
    "shard": "--shard",
}
"""What is compared, in words."""
_LONGEST = 40
"""Characters of a value in a sentence."""


def identity(search: Search) -> Identity:
    """Return what identifies a search, as values for JSON."""
    query, division = search.query, search.division
    scheme, keyspace = query.scheme, query.keyspace
    return {
        "stamp": search.stamp,
        "name": query.name,
        "ideal_distance": query.ideal_distance,
        "inferior_distance": query.inferior_distance,
        "algorithm": scheme.algorithm.name,
        "encoding": scheme.encoding.name,
        "anchor": scheme.anchor.name,
        "case_sensitive": scheme.case_sensitive,
        "wildcard": scheme.wildcard,
        "prefix": _digest(query.secret_prefix),
        "suffix": _digest(query.secret_suffix),
        "alphabet": keyspace.alphabet.hex(),
        "length": keyspace.length,
        "start_position": query.start_position,
        "maximum_hashes": query.maximum_hashes,
        "count": search.wanted.count,
        "range_size": division.range_size if division else None,
        "shard": search.ranges.shard,
    }


def differences(there: Identity, here: Identity) -> list[str]:
    """Return the differences between a saved search and the requested one, a phrase each."""
    found = []
    for key, name in _NAMES.items():
        old, new = there.get(key), here.get(key)
        if old != new:
            is_shown = key not in {"prefix", "suffix", "alphabet"}
            values = f" ({_short(old)} there, {_short(new)} here)" if is_shown else ""
            found.append(name + values)
    return found


def _digest(content: bytes) -> str:
    """Return a digest of bytes that may be long, or private."""
    return f"{len(content)} bytes, SHA-256 {sha256(content).hexdigest()}"


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
