"""The request that a command line becomes, and the command line that resumes it."""

import shlex

import pytest

from hashfinder_cli.search import DEFAULT_RANGE_SIZE, Search
from hashfinder_client.division import Division
from hashfinder_proto.hash_name_pb2 import HashNameRequest


def request_of(search: Search) -> HashNameRequest:
    """Return the request of its first RPC."""
    return search.begin().begin()[0].search.request()


def test_classic_request() -> None:
    """Without options only the classic fields are set: any server understands that."""
    assert HashNameRequest(desired_name="doctor") == request_of(Search("doctor", server=""))


def test_full_request() -> None:
    """Every option becomes its field; a stream asks for progress, shown or not."""
    search = Search(
        name="doctor",
        server="",
        ideal_distance=1,
        inferior_distance=2,
        start_position=0,
        maximum_hashes=2**64 - 1,
    )

    request = request_of(search)

    assert (1, 2) == (request.ideal_hamming_distance, request.interesting_hamming_distance)
    assert request.HasField("start_position")
    assert 2**64 - 1 == request.maximum_hashes
    assert 10**9 == request.progress_interval.ToNanoseconds()


def test_division() -> None:
    """Several ranges at once, or every N-th range: either goes on as --resume does."""
    at_once = Search("x", server="", shards=3)
    one_of_many = Search("x", server="", shard=(1, 3), range_size=5)

    assert Division(range_size=DEFAULT_RANGE_SIZE, width=3) == at_once.division
    assert Division(range_size=5, index=1, count=3) == one_of_many.division
    assert at_once.goes_on
    assert one_of_many.goes_on
    assert not Search("x", server="").goes_on


@pytest.mark.parametrize(
    ("search", "streams"),
    [
        (Search("x", server=""), False),
        (Search("x", server="", show_progress=True), True),
        (Search("x", server="", inferior_distance=0), True),
        (Search("x", server="", resume=True), True),
        (Search("x", server="", shards=2), True),
        (Search("x", server="", shard=(0, 2)), True),
    ],
)
def test_streams(search: Search, *, streams: bool) -> None:
    """Only progress and inferior results take a stream."""
    assert streams == search.streams


SHARDED = ("hashfinder", "find", "--server", "a:1")
RESUMED = """
hashfinder find --progress --resume --json --server a:1 --ideal-distance 1 --show-inferior 0
--progress-interval 0.5 --maximum-hashes 8 --timeout 2.5 --retry 3 --start-position 5 -- -x
"""


@pytest.mark.parametrize(
    ("search", "command"),
    [
        (
            Search("it's", server="a:1"),
            ["hashfinder", "find", "--server", "a:1", "--start-position", "5", "it's"],
        ),
        (
            Search(
                name="-x",
                server="a:1",
                ideal_distance=1,
                inferior_distance=0,
                show_progress=True,
                progress_interval=0.5,
                start_position=3,
                maximum_hashes=10,
                timeout=2.5,
                resume=True,
                retries=3,
                as_json=True,
            ),
            RESUMED.split(),
        ),
        (
            Search("x", server="a:1", shards=3, result_file="a file"),
            [*SHARDED, "--shards", "3", "--result-file", "a file", "--start-position", "5", "x"],
        ),
        (
            Search("x", server="a:1", shard=(0, 3), range_size=5, maximum_hashes=5),
            [
                *SHARDED,
                *("--maximum-hashes", "5", "--shard", "0/3", "--range-size", "5"),
                *("--start-position", "5", "x"),
            ],
        ),
    ],
)
def test_command(search: Search, command: list[str]) -> None:
    """The command that resumes repeats every option given, but for the start and what is left."""
    assert command == shlex.split(search.command(5))
