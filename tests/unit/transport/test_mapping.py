"""Map results and progress to messages."""

from base64 import b64decode, b64encode
from hashlib import sha1

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashfinder.domain.progress import Progress
from hashfinder.transport.mapping import progress_message, result_message, search_progress
from hashfinder_rules.candidate import Candidate
from hashfinder_rules.keyspace import POSITIONS_END, Keyspace
from hashfinder_rules.query import Query

CANDIDATE = Candidate.at(4711, Query("doctor", 0))


@given(st.integers(0, 2**64 - 1))
def test_result_can_be_verified_by_the_client(position: int) -> None:
    """The secret suffices."""
    message = result_message(Candidate.at(position, Query("ab", 0)))
    secret = b64decode(message.secret, validate=True)

    assert position == message.position == Keyspace().position_of(secret)
    text = b64encode(sha1(secret, usedforsecurity=False).digest()).decode()
    assert text == message.hashed_name
    assert 0 <= message.hamming_distance <= 2
    assert not message.HasField("progress")


def test_result_at_the_first_position_says_so() -> None:
    """Position 0 is present in the message, and the secret is empty."""
    message = result_message(Candidate.at(0, Query("2j", 0)))
    assert message.HasField("position")
    assert ("", 0, 0) == (message.secret, message.position, message.hamming_distance)


def test_progress_message_carries_nothing_else() -> None:
    """A client of the classic fields sees an empty result."""
    message = progress_message(Progress(10, 15, 2.0, CANDIDATE))
    assert ["progress"] == [field.name for field, _ in message.ListFields()]
    assert search_progress(Progress(10, 15, 2.0, CANDIDATE)) == message.progress


def test_progress_is_mapped_field_by_field() -> None:
    """The rate is the average over the whole time."""
    message = search_progress(Progress(10, 15, 4.0, CANDIDATE))
    assert (10, 15, 2.5) == (
        message.hashes_computed,
        message.next_position,
        message.hashes_per_second,
    )
    best = message.best_candidate
    assert CANDIDATE.secret == b64decode(best.secret)
    assert (CANDIDATE.hashed_name, CANDIDATE.distance, CANDIDATE.position) == (
        best.hashed_name,
        best.hamming_distance,
        best.position,
    )


def test_progress_before_the_first_position_has_no_candidate_and_no_rate() -> None:
    """The next position is present even at zero; elapsed time of zero does not divide."""
    message = search_progress(Progress(0, 0, 0.0, None))
    assert message.HasField("next_position")
    assert not message.HasField("best_candidate")
    assert 0.0 == message.hashes_per_second


@pytest.mark.parametrize(("position", "resumable"), [(2**64 - 1, True), (POSITIONS_END, False)])
def test_after_the_last_position_nothing_is_left_to_resume(
    position: int,
    resumable: bool,  # noqa: FBT001  # a case of the test
) -> None:
    """2^64 does not fit the field, so it is absent."""
    message = search_progress(Progress(2**64 - 1, position, 1.0, None))
    assert resumable == message.HasField("next_position")
    assert 2**64 - 1 == message.hashes_computed
