"""A search as a value, and its request."""

import pytest

from hashfinder_client.query import Query
from hashfinder_proto import hash_name_pb2
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_rules.keyspace import POSITIONS_END, Keyspace
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme


def test_classic_search_sends_classic_fields_alone() -> None:
    """Older servers get the request of older clients."""
    expected = HashNameRequest(desired_name="doctor", ideal_hamming_distance=1)
    assert (
        expected.SerializeToString()
        == Query("doctor", ideal_distance=1).message().SerializeToString()
    )
    assert Query("doctor", ideal_distance=1).is_classic


def test_every_field_is_sent() -> None:
    """Every value other than the default is sent, with the contract's numbers."""
    query = Query(
        "0_",
        scheme=Scheme(
            Algorithm.SHA256, Encoding.HEX, Anchor.END, case_sensitive=True, wildcard="_"
        ),
        keyspace=Keyspace(b"ab", 0),
        secret_prefix=b"p",
        secret_suffix=b"s",
    )
    request = query.message()
    assert not query.is_classic
    assert (
        HashNameRequest(
            desired_name="0_",
            hash_algorithm=hash_name_pb2.HASH_ALGORITHM_SHA_256,
            digest_encoding=hash_name_pb2.DIGEST_ENCODING_HEX,
            anchor=hash_name_pb2.ANCHOR_END,
            case_sensitive=True,
            wildcard="_",
            secret_alphabet=b"ab",
            secret_length=0,
            secret_prefix=b"p",
            secret_suffix=b"s",
        )
        == request
    )


def test_rest_of_a_range_is_requested_from_the_next_position() -> None:
    """The budget is what remains."""
    request = Query("a", start_position=10, maximum_hashes=20).message(25)
    assert (25, 5) == (request.start_position, request.maximum_hashes)


def test_range_ends_with_the_keyspace() -> None:
    """A fixed length has its own last position."""
    assert [8, POSITIONS_END] == [Query("a", keyspace=Keyspace(b"ab", 3)).limit, Query("a").limit]


@pytest.mark.parametrize(
    ("query", "chance"),
    [
        (Query("x" * 29), 0.0),
        (Query(""), 0.0),
        (Query("-"), 0.0),
        (Query("-", ideal_distance=2**31 - 1), 1.0),
        (Query("0" * 8, scheme=Scheme(encoding=Encoding.BINARY, anchor=Anchor.START)), 2.0**-8),
    ],
)
def test_chance_of_any_query(query: Query, chance: float) -> None:
    """This includes queries that HashFinder refuses and other servers accept."""
    assert chance == query.chance.lower
