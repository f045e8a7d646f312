"""Everything that is wrong with a request, each with its field and what is allowed."""

from collections import Counter
from dataclasses import dataclass

from hashfinder_rules.keyspace import LONGEST_LENGTH, POSITIONS_END, Keyspace
from hashfinder_rules.query import Query
from hashfinder_rules.reachable import smallest_distance
from hashfinder_rules.scheme import Anchor, Encoding, Scheme

LONGEST_AFFIXES = 48 * 1024
"""How many bytes prefix and suffix may have together."""
_SMALLEST_ALPHABET = 2


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with a request."""

    field: str
    """The path of the field in the request, as in the .proto."""
    description: str
    """What is allowed and what came, as a sentence. Repeats nothing long of what came."""


def violations(
    query: Query,
    *,
    start_position: int = 0,
    maximum_hashes: int | None = None,
    scheme_is_known: bool = True,
) -> list[Violation]:
    """Return every violation of the contract, in the order of the fields; empty for none.

    Args:
        query: with any values at all.
        start_position: the first position to search.
        maximum_hashes: how many to search; None for no limit of the request's own.
        scheme_is_known: False where hash, encoding or anchor have a value that this version does
            not know: then `query.scheme` has a substitute, and what depends on it is left out.
    """
    keyspace = _keyspace_violations(query.keyspace)
    end = POSITIONS_END if keyspace else query.keyspace.end
    return [
        *(_name_violations(query) if scheme_is_known else _blank_name(query)),
        *_distance_violations(query),
        *_range_violations(end, start_position, maximum_hashes),
        *(_anchor_violations(query) if scheme_is_known else ()),
        *_wildcard_violations(query.scheme, scheme_is_known=scheme_is_known),
        *_affix_violations(query),
        *keyspace,
    ]


# Each of these returns what it has found, without a generator: every request has all of them.


def _blank_name(query: Query) -> list[Violation]:
    name, wildcard = query.name, query.scheme.wildcard
    if not name:
        return [Violation("desired_name", "must have at least 1 character, not 0")]
    if len(wildcard) == 1 and not name.strip(wildcard):
        description = "must have at least 1 character that is not the wildcard"
        return [Violation("desired_name", description)]
    return []


def _name_violations(query: Query) -> list[Violation]:
    scheme, length, longest = query.scheme, len(query.name), query.scheme.longest_name
    if not 1 <= length <= longest:
        description = f"must have 1 to {longest} characters, not {length}"
        return [Violation("desired_name", description)]
    found = _blank_name(query)
    smallest = smallest_distance(query.name, scheme)
    if smallest > query.ideal_distance >= 0:
        text = f"the {scheme.encoding.title} text of a {scheme.algorithm.title}"
        description = (
            f"no hash comes closer to this name than a distance of {smallest}, and "
            f"ideal_hamming_distance is {query.ideal_distance}: {text} {_symbols(query)}"
        )
        found.append(Violation("desired_name", description))
    return found


def _symbols(query: Query) -> str:
    """Return a clause that names the characters of a text."""
    scheme = query.scheme
    folded = scheme.fold(scheme.encoding.symbols)
    case = "" if scheme.case_sensitive or folded.isdigit() else " in either case"
    clause = f"has only the characters {_ranges(scheme.encoding.symbols)}{case}"
    if padding := scheme.text_length - scheme.symbol_count:
        clause += f", and ends in {'=' * padding}"
    places = scheme.places
    if (last := len(places[scheme.symbol_count - 1])) < len(places[0]):
        clause += f"; its last symbol is one of {last}"
    return clause


def _ranges(symbols: str) -> str:
    """Return the symbols with runs shortened, as in ``A-Z a-z 0-9 + /``."""
    runs: list[str] = []
    for symbol in symbols:
        if runs and ord(symbol) == ord(runs[-1][-1]) + 1 and symbol.isalnum():
            runs[-1] = f"{runs[-1][0]}-{symbol}"
        else:
            runs.append(symbol)
    return " ".join(runs)


def _distance_violations(query: Query) -> list[Violation]:
    # Where the length itself is wrong, it bounds nothing.
    length, longest = len(query.name), query.scheme.longest_name
    is_bound = 1 <= length <= longest
    largest = length if is_bound else longest
    reason = ", the length of the desired name" if is_bound else ""
    return [
        Violation(field, f"must be 0 to {largest}{reason}, not {distance}")
        for field, distance in (
            ("ideal_hamming_distance", query.ideal_distance),
            ("interesting_hamming_distance", query.interesting_distance),
        )
        if not 0 <= distance <= largest
    ]


def _range_violations(end: int, start: int, maximum_hashes: int | None) -> list[Violation]:
    found, last = [], end - 1
    if not 0 <= start <= last:
        limit = "2^64 - 1" if last == POSITIONS_END - 1 else f"{last}, the last of this keyspace"
        found.append(Violation("start_position", f"must be 0 to {limit}, not {start}"))
    if maximum_hashes is not None and not 1 <= maximum_hashes < POSITIONS_END:
        description = f"must be 1 to 2^64 - 1, or absent, not {maximum_hashes}"
        found.append(Violation("maximum_hashes", description))
    return found


def _anchor_violations(query: Query) -> list[Violation]:
    scheme = query.scheme
    if scheme.encoding is Encoding.BINARY and scheme.anchor is Anchor.ANYWHERE:
        description = "must be ANCHOR_START or ANCHOR_END with DIGEST_ENCODING_BINARY"
        return [Violation("anchor", description)]
    return []


def _wildcard_violations(scheme: Scheme, *, scheme_is_known: bool) -> list[Violation]:
    length = len(scheme.wildcard)
    if length > 1:
        return [Violation("wildcard", f"must be one character, or empty, not {length} characters")]
    if length == 1 and scheme_is_known and scheme.is_symbol(scheme.wildcard):
        description = f"must be no character of {scheme.encoding.title}, which it would hide"
        return [Violation("wildcard", description)]
    return []


def _affix_violations(query: Query) -> list[Violation]:
    size = len(query.secret_prefix) + len(query.secret_suffix)
    if size <= LONGEST_AFFIXES:
        return []
    description = (
        f"secret_prefix and secret_suffix must have 0 to {LONGEST_AFFIXES} bytes together, not "
        f"{size}"
    )
    affixes = {"secret_prefix": query.secret_prefix, "secret_suffix": query.secret_suffix}
    return [Violation(field, description) for field, affix in affixes.items() if affix]


def _keyspace_violations(keyspace: Keyspace) -> list[Violation]:
    found, alphabet, length = [], keyspace.alphabet, keyspace.length
    if not keyspace.is_distinct:
        repeated = [byte for byte, count in Counter(alphabet).items() if count > 1]
        description = f"must have 2 to 256 distinct bytes; {repeated[0]:#04x} occurs more than once"
        found.append(Violation("secret_alphabet", description))
    elif len(alphabet) < _SMALLEST_ALPHABET:
        description = f"must have 2 to 256 distinct bytes, or be empty for all, not {len(alphabet)}"
        found.append(Violation("secret_alphabet", description))
    if length is not None and not 0 <= length <= LONGEST_LENGTH:
        description = f"must be 0 to {LONGEST_LENGTH}, or absent, not {length}"
        found.append(Violation("secret_length", description))
    return found
