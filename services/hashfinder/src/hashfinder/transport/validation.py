"""From the wire to a search request, with every violation at once."""

from google.protobuf.duration_pb2 import Duration

from hashfinder.domain.errors import InvalidRequestError, Violation
from hashfinder.domain.query import HASHED_NAME_LENGTH, Query, smallest_distance
from hashfinder.domain.request import SearchRequest
from hashfinder_proto.hash_name_pb2 import HashNameRequest

SHORTEST_PROGRESS_INTERVAL = 0.05
LONGEST_PROGRESS_INTERVAL = 3600.0


def parse_request(request: HashNameRequest, maximum_hashes: int) -> SearchRequest:
    """Return what `request` asks for, its budget cut to `maximum_hashes`, the server's own.

    Raises:
        InvalidRequestError: with all violations.
    """
    violations = [
        *_name_violations(request),
        *_distance_violations("ideal_hamming_distance", request),
        *_distance_violations("interesting_hamming_distance", request),
        *_budget_violations(request),
        *_interval_violations(request),
    ]
    if violations:
        raise InvalidRequestError(violations)
    query = Query(
        request.desired_name,
        request.ideal_hamming_distance,
        request.interesting_hamming_distance,
    )
    budget = request.maximum_hashes if request.HasField("maximum_hashes") else maximum_hashes
    return SearchRequest(query, request.start_position, min(budget, maximum_hashes))


def progress_interval(request: HashNameRequest) -> float | None:
    """Return the interval that a valid `request` asks for, in seconds; None for no progress."""
    if not request.HasField("progress_interval"):
        return None
    return _seconds(request.progress_interval)


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def _name_violations(request: HashNameRequest) -> list[Violation]:
    length = len(request.desired_name)
    if not 1 <= length <= HASHED_NAME_LENGTH:
        description = f"must have 1 to {HASHED_NAME_LENGTH} characters, not {length}"
        return [Violation("desired_name", description)]
    smallest = smallest_distance(request.desired_name)
    if smallest > request.ideal_hamming_distance >= 0:
        description = (
            f"no hash comes closer to this name than a distance of {smallest}, "
            f"and ideal_hamming_distance is {request.ideal_hamming_distance}: base64 has only "
            "letters, digits, '+' and '/', a SHA-1 ends in '=', "
            "and not every symbol can stand before it"
        )
        return [Violation("desired_name", description)]
    return []


def _distance_violations(field: str, request: HashNameRequest) -> list[Violation]:
    distance = getattr(request, field)
    length = len(request.desired_name)
    largest = length if 1 <= length <= HASHED_NAME_LENGTH else HASHED_NAME_LENGTH
    if 0 <= distance <= largest:
        return []
    return [
        Violation(
            field,
            f"must be 0 to {largest}, the length of the desired name, not {distance}"
            if largest == length
            else f"must be 0 to {largest}, not {distance}",
        )
    ]


def _budget_violations(request: HashNameRequest) -> list[Violation]:
    if request.HasField("maximum_hashes") and request.maximum_hashes == 0:
        return [Violation("maximum_hashes", "must be 1 to 2^64 - 1, or absent, not 0")]
    return []


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
