"""The request made from a command line, and the command line that resumes it."""

import shlex

import pytest

from hashfinder_cli.search import Search
from hashfinder_client.division import DEFAULT_RANGE_SIZE, Division
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.unit.cli.searches import search


def request_of(asked: Search) -> HashNameRequest:
    """Return the request of the search's first RPC."""
    return asked.begin().begin()[0].search.request()


def test_classic_request() -> None:
    """Without options only the classic fields are set, which every server understands."""
    assert HashNameRequest(desired_name="doctor") == request_of(search())


def test_full_request() -> None:
    """Every option sets its field; a stream requests progress, whether it is shown or not."""
    request = request_of(
        search(ideal_distance=1, show_inferior=2, start_position=0, maximum_hashes=2**64 - 1)
    )

    assert (1, 2) == (request.ideal_hamming_distance, request.interesting_hamming_distance)
    assert request.HasField("start_position")
    assert 2**64 - 1 == request.maximum_hashes
    assert 10**9 == request.progress_interval.ToNanoseconds()


def test_division() -> None:
    """With ranges in parallel, or every N-th range, the search resumes itself like --resume."""
    at_once = search(shards=3)
    one_of_many = search(shard="1/3", range_size=5)

    assert Division(range_size=DEFAULT_RANGE_SIZE, width=3) == at_once.division
    assert Division(range_size=5, index=1, count=3) == one_of_many.division
    assert at_once.resumes
    assert one_of_many.resumes
    assert not search().resumes


@pytest.mark.parametrize(
    ("asked", "streams"),
    [
        (search(), False),
        (search(progress=True), True),
        (search(progress_interval=2.0), True),
        (search(show_inferior=0), True),
        (search(resume=True), True),
        (search(shards=2), True),
        (search(shard="0/2"), True),
    ],
)
def test_streams(asked: Search, *, streams: bool) -> None:
    """Only progress, resuming and inferior results need a stream."""
    assert streams == asked.streams


SHARDED = ("hashfinder", "find", "--server", "a:1")
RESUMED = """
hashfinder find --progress --json --resume --server a:1 --ideal-distance 1 --show-inferior 0
--progress-interval 0.5 --maximum-hashes 8 --timeout 2.5 --retry 3 --start-position 5 -- -x
"""


@pytest.mark.parametrize(
    ("asked", "command"),
    [
        (
            search("it's", server="a:1"),
            ["hashfinder", "find", "--server", "a:1", "--start-position", "5", "it's"],
        ),
        (
            search(
                "-x",
                server="a:1",
                ideal_distance=1,
                show_inferior=0,
                progress_interval=0.5,
                start_position=3,
                maximum_hashes=10,
                timeout=2.5,
                resume=True,
                retry=3,
                as_json=True,
            ),
            RESUMED.split(),
        ),
        (
            search("x", server="a:1", shards=3, result_file="a file"),
            [*SHARDED, "--result-file", "a file", "--shards", "3", "--start-position", "5", "x"],
        ),
        (
            search("x", server="a:1", shard="0/3", range_size=5, maximum_hashes=5),
            [
                *SHARDED,
                *("--maximum-hashes", "5", "--shard", "0/3", "--range-size", "5"),
                *("--start-position", "5", "x"),
            ],
        ),
        (
            search(
                "x?",
                server="a:1",
                algorithm="sha256",
                wildcard="?",
                secret_prefix="tree ",
                secret_suffix_hex="00",
                alphabet="digits",
                secret_length=0,
                count=3,
            ),
            [
                *SHARDED,
                *("--algorithm", "sha256", "--wildcard", "?", "--secret-prefix", "tree "),
                *("--secret-suffix-hex", "00", "--alphabet", "digits", "--secret-length", "0"),
                *("--count", "3", "--start-position", "5", "x?"),
            ],
        ),
        (
            search(None, server="a:1", zero_bits=8),
            [*SHARDED, "--zero-bits", "8", "--start-position", "5"],
        ),
        (
            search("x"),
            ["hashfinder", "find", "--server", "127.0.0.1:50051", "--start-position", "5", "x"],
        ),
    ],
)
def test_command(asked: Search, command: list[str]) -> None:
    """The command that resumes repeats all options, except for the start and what remains.

    It always names the server, because the environment may change.
    """
    assert command == shlex.split(asked.command(5))


def test_behind() -> None:
    """After a match, the rest of its range, budget and count remains."""
    asked = search("x", start_position=5, maximum_hashes=10, count=3)

    left = asked.behind(7)

    assert (8, 7, 2) == (left.limits.start_position, left.limits.maximum_hashes, left.wanted.count)
    assert asked.query.limit == left.query.limit
