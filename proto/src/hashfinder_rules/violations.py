"""Everything that is wrong with a request, each with its field and what is allowed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from hashfinder_rules.keyspace import LONGEST_LENGTH, POSITIONS_END
from hashfinder_rules.query import Query
from hashfinder_rules.reachable import smallest_distance
from hashfinder_rules.scheme import Anchor, Encoding

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
    keyspace = list(_keyspace_violations(query))
    end = POSITIONS_END if keyspace else query.keyspace.end
    return [
        *(_name_violations(query) if scheme_is_known else _blank_name(query)),
        *_distance_violations("ideal_hamming_distance", query.ideal_distance, query),
        *_distance_violations("interesting_hamming_distance", query.interesting_distance, query),
        *_range_violations(end, start_position, maximum_hashes),
        *(_anchor_violations(query) if scheme_is_known else ()),
        *_wildcard_violations(query, scheme_is_known=scheme_is_known),
        *_affix_violations(query),
        *keyspace,
    ]


def _blank_name(query: Query) -> Iterator[Violation]:
    name, wildcard = query.name, query.scheme.wildcard
    if not name:
        yield Violation("desired_name", "must have at least 1 character, not 0")
    elif len(wildcard) == 1 and not name.strip(wildcard):
        yield Violation("desired_name", "must have at least 1 character that is not the wildcard")


def _name_violations(query: Query) -> Iterator[Violation]:
    scheme, length = query.scheme, len(query.name)
    text = f"the {scheme.encoding.title} text of a {scheme.algorithm.title}"
    if not 1 <= length <= scheme.longest_name:
        description = f"must have 1 to {scheme.longest_name} characters, not {length}"
        yield Violation("desired_name", description)
        return
    yield from _blank_name(query)
    smallest = smallest_distance(query.name, scheme)
    if smallest > query.ideal_distance >= 0:
        description = (
            f"no hash comes closer to this name than a distance of {smallest}, and "
            f"ideal_hamming_distance is {query.ideal_distance}: {text} {_symbols(query)}"
        )
        yield Violation("desired_name", description)


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


def _distance_violations(field: str, distance: int, query: Query) -> Iterator[Violation]:
    # Where the length itself is wrong, it bounds nothing.
    length = len(query.name)
    longest = query.scheme.longest_name
    is_bound = 1 <= length <= longest
    largest = length if is_bound else longest
    if not 0 <= distance <= largest:
        reason = ", the length of the desired name" if is_bound else ""
        yield Violation(field, f"must be 0 to {largest}{reason}, not {distance}")


def _range_violations(end: int, start: int, maximum_hashes: int | None) -> Iterator[Violation]:
    last = end - 1
    if not 0 <= start <= last:
        limit = "2^64 - 1" if last == POSITIONS_END - 1 else f"{last}, the last of this keyspace"
        yield Violation("start_position", f"must be 0 to {limit}, not {start}")
    if maximum_hashes is not None and not 1 <= maximum_hashes < POSITIONS_END:
        description = f"must be 1 to 2^64 - 1, or absent, not {maximum_hashes}"
        yield Violation("maximum_hashes", description)


def _anchor_violations(query: Query) -> Iterator[Violation]:
    scheme = query.scheme
    if scheme.encoding is Encoding.BINARY and scheme.anchor is Anchor.ANYWHERE:
        yield Violation("anchor", "must be ANCHOR_START or ANCHOR_END with DIGEST_ENCODING_BINARY")


def _wildcard_violations(query: Query, *, scheme_is_known: bool) -> Iterator[Violation]:
    scheme, length = query.scheme, len(query.scheme.wildcard)
    if length > 1:
        yield Violation("wildcard", f"must be one character, or empty, not {length} characters")
    elif length == 1 and scheme_is_known and scheme.is_symbol(scheme.wildcard):
        description = f"must be no character of {scheme.encoding.title}, which it would hide"
        yield Violation("wildcard", description)


def _affix_violations(query: Query) -> Iterator[Violation]:
    affixes = {"secret_prefix": query.secret_prefix, "secret_suffix": query.secret_suffix}
    size = sum(map(len, affixes.values()))
    if size > LONGEST_AFFIXES:
        for field, affix in affixes.items():
            if affix:
                description = (
                    f"secret_prefix and secret_suffix must have 0 to {LONGEST_AFFIXES} bytes "
                    f"together, not {size}"
                )
                yield Violation(field, description)


def _keyspace_violations(query: Query) -> Iterator[Violation]:
    alphabet, length = query.keyspace.alphabet, query.keyspace.length
    if not query.keyspace.is_distinct:
        repeated = [byte for byte, count in Counter(alphabet).items() if count > 1]
        description = f"must have 2 to 256 distinct bytes; {repeated[0]:#04x} occurs more than once"
        yield Violation("secret_alphabet", description)
    elif len(alphabet) < _SMALLEST_ALPHABET:
        description = f"must have 2 to 256 distinct bytes, or be empty for all, not {len(alphabet)}"
        yield Violation("secret_alphabet", description)
    if length is not None and not 0 <= length <= LONGEST_LENGTH:
        description = f"must be 0 to {LONGEST_LENGTH}, or absent, not {length}"
        yield Violation("secret_length", description)
