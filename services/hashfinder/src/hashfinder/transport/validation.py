"""From the wire to a search request, with every violation at once."""

from google.protobuf.duration_pb2 import Duration

from hashfinder.domain.errors import InvalidRequestError
from hashfinder.domain.request import SearchRequest
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_rules.query import Query
from hashfinder_rules.violations import Violation, violations

SHORTEST_PROGRESS_INTERVAL = 0.05
LONGEST_PROGRESS_INTERVAL = 3600.0


def parse_request(request: HashNameRequest, maximum_hashes: int) -> SearchRequest:
    """Return what `request` asks for, its budget cut to `maximum_hashes`, the server's own.

    Raises:
        InvalidRequestError: with all violations.
    """
    query = Query(
        request.desired_name,
        request.ideal_hamming_distance,
        request.interesting_hamming_distance,
    )
    budget = request.maximum_hashes if request.HasField("maximum_hashes") else None
    found = [
        *violations(query, start_position=request.start_position, maximum_hashes=budget),
        *_interval_violations(request),
    ]
    if found:
        raise InvalidRequestError(found)
    budget = maximum_hashes if budget is None else min(budget, maximum_hashes)
    return SearchRequest(query, request.start_position, budget)


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
