"""From results and progress to the wire."""

from base64 import b64encode

from hashfinder.domain.progress import Progress
from hashfinder.domain.request import SearchRequest
from hashfinder_proto import hash_name_pb2 as pb
from hashfinder_rules.candidate import Candidate
from hashfinder_rules.chance import Chance
from hashfinder_rules.keyspace import ALL_BYTES


def result_message(candidate: Candidate) -> pb.HashNameResponse:
    """Return the message of one result."""
    return pb.HashNameResponse(
        secret=b64encode(candidate.secret).decode(),
        hashed_name=candidate.hashed_name,
        hamming_distance=candidate.distance,
        position=candidate.position,
    )


def request_message(request: SearchRequest) -> pb.HashNameRequest:
    """Return the request of a search, as the server runs it; without prefix and suffix.

    These may be long, and may be nobody's but the client's.
    """
    query, scheme, keyspace = request.query, request.query.scheme, request.query.keyspace
    return pb.HashNameRequest(
        desired_name=query.name,
        ideal_hamming_distance=query.ideal_distance,
        interesting_hamming_distance=query.interesting_distance,
        start_position=request.start,
        maximum_hashes=request.maximum_hashes,
        hash_algorithm=pb.HashAlgorithm.ValueType(scheme.algorithm.value),
        digest_encoding=pb.DigestEncoding.ValueType(scheme.encoding.value),
        anchor=pb.Anchor.ValueType(scheme.anchor.value),
        case_sensitive=scheme.case_sensitive,
        wildcard=scheme.wildcard,
        secret_alphabet=b"" if keyspace.alphabet == ALL_BYTES else keyspace.alphabet,
        secret_length=keyspace.length,
    )


def progress_message(progress: Progress) -> pb.HashNameResponse:
    """Return the message that carries nothing but progress."""
    return pb.HashNameResponse(progress=search_progress(progress))


def search_progress(progress: Progress) -> pb.SearchProgress:
    """Return the progress of a search, as a message or an error's detail carries it."""
    message = pb.SearchProgress(hashes_computed=progress.hashes)
    if progress.next_position < progress.end:
        message.next_position = progress.next_position
    if progress.seconds > 0:
        message.hashes_per_second = progress.hashes / progress.seconds
    if (best := progress.best) is not None:
        message.best_candidate.CopyFrom(
            pb.Candidate(
                secret=b64encode(best.secret).decode(),
                hashed_name=best.hashed_name,
                hamming_distance=best.distance,
                position=best.position,
            )
        )
    return message


def estimate_message(chance: Chance, hashes_per_second: float) -> pb.SearchEstimate:
    """Return the message with how probable a result is, and how long it takes."""
    return pb.SearchEstimate(
        chance=chance.lower,
        chance_upper_bound=chance.upper,
        expected_hashes=chance.expected_hashes,
        hashes_for_50_percent=chance.hashes_for(0.5),
        hashes_for_90_percent=chance.hashes_for(0.9),
        hashes_for_99_percent=chance.hashes_for(0.99),
        hashes_per_second=hashes_per_second,
    )
