"""From the wire to a search request, with every violation at once."""

from enum import Enum
from functools import lru_cache
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration

from hashfinder.domain.errors import InvalidRequestError
from hashfinder.domain.request import SearchRequest
from hashfinder_proto.hash_name_pb2 import Anchor, DigestEncoding, HashAlgorithm, HashNameRequest
from hashfinder_rules import scheme
from hashfinder_rules.keyspace import ALL_BYTES, Keyspace
from hashfinder_rules.query import Query
from hashfinder_rules.violations import Violation, violations

SHORTEST_PROGRESS_INTERVAL = 0.05
LONGEST_PROGRESS_INTERVAL = 3600.0
_FIELDS = HashNameRequest.DESCRIPTOR.fields_by_name
_NUMBERS = {"hash_algorithm": HashAlgorithm, "digest_encoding": DigestEncoding, "anchor": Anchor}

_REMEMBERED = 256
"""Schemes and keyspaces that are not made anew: most requests have the same ones."""

_Member = TypeVar("_Member", bound=Enum)


def parse_request(request: HashNameRequest, maximum_hashes: int) -> SearchRequest:
    """Return what `request` asks for, its budget cut to `maximum_hashes`, the server's own.

    Raises:
        InvalidRequestError: with all violations, in the order of the fields' numbers.
    """
    query = _query(request)
    budget = request.maximum_hashes if request.HasField("maximum_hashes") else None
    unknown = _unknown_numbers(request)
    found = [
        *violations(
            query,
            start_position=request.start_position,
            maximum_hashes=budget,
            scheme_is_known=not unknown,
        ),
        *unknown,
        *_interval_violations(request),
    ]
    if found:
        raise InvalidRequestError(sorted(found, key=lambda v: _FIELDS[v.field].number))
    budget = maximum_hashes if budget is None else min(budget, maximum_hashes)
    return SearchRequest(query, request.start_position, budget)


def _query(request: HashNameRequest) -> Query:
    """Return the query of `request`, valid or not; unknown numbers count as absent."""
    return Query(
        request.desired_name,
        request.ideal_hamming_distance,
        request.interesting_hamming_distance,
        _scheme(request),
        _keyspace(request),
        request.secret_prefix,
        request.secret_suffix,
    )


def _scheme(request: HashNameRequest) -> scheme.Scheme:
    algorithm, encoding, anchor = request.hash_algorithm, request.digest_encoding, request.anchor
    case_sensitive, wildcard = request.case_sensitive, request.wildcard
    make = _scheme_of if len(wildcard) <= 1 else _scheme_of.__wrapped__
    return make(algorithm, encoding, anchor, case_sensitive, wildcard)


@lru_cache(_REMEMBERED)
def _scheme_of(
    algorithm: int,
    encoding: int,
    anchor: int,
    case_sensitive: bool,  # noqa: FBT001  # a field of the request
    wildcard: str,
) -> scheme.Scheme:
    """Return the scheme with these numbers: the same one again, with what it has derived."""
    return scheme.Scheme(
        _member(scheme.Algorithm.SHA1, algorithm),
        _member(scheme.Encoding.BASE64, encoding),
        _member(scheme.Anchor.ANYWHERE, anchor),
        case_sensitive,
        wildcard,
    )


def _keyspace(request: HashNameRequest) -> Keyspace:
    alphabet = request.secret_alphabet or ALL_BYTES
    length = request.secret_length if request.HasField("secret_length") else None
    make = _keyspace_of if len(alphabet) <= len(ALL_BYTES) else Keyspace
    return make(alphabet, length)


_keyspace_of = lru_cache(_REMEMBERED)(Keyspace)


def _member(default: _Member, number: int) -> _Member:
    return next((member for member in type(default) if member.value == number), default)


def _unknown_numbers(request: HashNameRequest) -> list[Violation]:
    return [
        Violation(field, f"must be one of {', '.join(numbers.keys())}, not {number}")
        for field, numbers in _NUMBERS.items()
        if (number := getattr(request, field)) and number not in numbers.values()
    ]


def progress_interval(request: HashNameRequest) -> float | None:
    """Return the interval that a valid `request` asks for, in seconds; None for no progress."""
    if not request.HasField("progress_interval"):
        return None
    return _seconds(request.progress_interval)


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def _interval_violations(request: HashNameRequest) -> list[Violation]:
    if not request.HasField("progress_interval"):
        return []
    duration = request.progress_interval
    if not 0 <= duration.nanos < 10**9:
        description = f"must have nanos of 0 to 999999999, not {duration.nanos}"
        return [Violation("progress_interval", description)]
    shortest, longest = SHORTEST_PROGRESS_INTERVAL, LONGEST_PROGRESS_INTERVAL
    if shortest <= _seconds(duration) <= longest:
        return []
    description = f"must be {shortest:g} s to {longest:g} s, not {_seconds(duration):.13g} s"
    return [Violation("progress_interval", description)]
