"""From results and progress to the wire."""

from base64 import b64encode

from hashfinder.domain.progress import Progress
from hashfinder_proto import hash_name_pb2 as pb
from hashfinder_rules.candidate import Candidate
from hashfinder_rules.chance import Chance


def result_message(candidate: Candidate) -> pb.HashNameResponse:
    """Return the message of one result."""
    return pb.HashNameResponse(
        secret=b64encode(candidate.secret).decode(),
        hashed_name=candidate.hashed_name,
        hamming_distance=candidate.distance,
        position=candidate.position,
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
