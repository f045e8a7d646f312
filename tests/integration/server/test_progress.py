"""Progress reports in a stream."""

import time
from itertools import pairwise

import grpc
import pytest

from hashfinder.kernel import load_kernel
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.server import brute_force
from tests.integration.server.brute_force import received
from tests.integration.server.conftest import StartApplication
from tests.integration.server.endings import ending_of, finish


def request_with(interval: float, **fields: object) -> HashNameRequest:
    """Return a request for an endless search with progress reports every `interval` seconds."""
    request = HashNameRequest(**{"desired_name": "hopelessly", **fields})  # type: ignore[arg-type]
    request.progress_interval.FromNanoseconds(round(interval * 1e9))
    return request


def read(stub: HashFinderStub, request: HashNameRequest, seconds: float) -> list[HashNameResponse]:
    """Return the messages that a FindRange sends in `seconds`."""
    messages: list[HashNameResponse] = []
    with pytest.raises(grpc.RpcError) as caught:
        messages.extend(stub.FindRange(request, timeout=seconds))
    assert grpc.StatusCode.DEADLINE_EXCEEDED == ending_of(caught.value).code
    return messages


@pytest.mark.parametrize("interval", [0.05, 0.3])
def test_progress_comes_at_the_interval(stub: HashFinderStub, interval: float) -> None:
    """Reports come about as often as requested, never more often, and contain nothing else."""
    seconds = 2.0
    messages = read(stub, request_with(interval, start_position=1000), seconds)

    assert seconds / interval / 3 <= len(messages) <= seconds / interval + 1
    for message in messages:
        assert HashNameResponse(progress=message.progress) == message
        progress = message.progress
        assert 1000 + progress.hashes_computed == progress.next_position
        assert (progress.hashes_per_second > 0) == (progress.hashes_computed > 0)
    for earlier, later in pairwise(message.progress for message in messages):
        assert earlier.hashes_computed <= later.hashes_computed
        assert later.best_candidate.hamming_distance <= earlier.best_candidate.hamming_distance
    last = messages[-1].progress
    assert last.hashes_computed > messages[0].progress.hashes_computed
    best = received(last.best_candidate)
    assert brute_force.score(best.position, "hopelessly") == best
    assert 1000 <= best.position < last.next_position


def test_rate_is_what_was_searched_in_the_time(stub: HashFinderStub) -> None:
    """The reported rate is the average since the search began."""
    began = time.monotonic()
    call = stub.FindRange(request_with(1.0))
    progress = next(call).progress
    seconds = time.monotonic() - began
    call.cancel()

    assert seconds >= 0.95
    assert progress.hashes_computed / seconds * 0.9 <= progress.hashes_per_second
    assert progress.hashes_per_second <= progress.hashes_computed / 0.95


def test_no_progress_unless_requested(stub: HashFinderStub) -> None:
    """A client that does not ask for progress gets only results."""
    request = HashNameRequest(
        desired_name="hopelessly", interesting_hamming_distance=9, maximum_hashes=500
    )
    answer = brute_force.search("hopelessly", 0, 9, 0, 500)
    messages: list[HashNameResponse] = []

    with pytest.raises(grpc.RpcError):
        messages.extend(stub.FindRange(request))

    assert not any(message.HasField("progress") for message in messages)
    assert len(answer.results) > 0


async def test_results_below_next_position_are_sent_first(
    application: StartApplication,
) -> None:
    """Before any report with next_position p, all results below p were sent."""
    running = await application(load_kernel("python"))
    request = request_with(0.05, interesting_hamming_distance=8, maximum_hashes=5000)

    ending = await finish(running.stub.FindRange(request))

    sent: list[brute_force.Result] = []
    reports = 0
    for message in ending.messages:
        if not message.HasField("progress"):
            sent.append(received(message))
            continue
        reports += 1
        progress = message.progress
        answer = brute_force.search("hopelessly", 0, 8, 0, progress.hashes_computed)
        assert answer.results == sent
        if progress.hashes_computed:
            assert answer.best == received(progress.best_candidate)
    assert reports >= 2
    assert ending.progress.hashes_computed == 5000


@pytest.mark.parametrize("kernel", ["python", "auto"])
async def test_progress_comes_between_dense_results(
    application: StartApplication, kernel: str
) -> None:
    """Many results do not delay progress reports.

    This holds even if results are found faster than they can be sent; a report covers sent results.
    """
    running = await application(load_kernel(kernel))
    request = request_with(0.05, interesting_hamming_distance=10, maximum_hashes=10**9)

    ending = await finish(running.stub.FindRange(request, timeout=1.5))

    sent: list[brute_force.Result] = []
    reports = 0
    for message in ending.messages:
        if not message.HasField("progress"):
            assert len(sent) == message.position
            sent.append(received(message))
            continue
        reports += 1
        assert len(sent) == message.progress.next_position == message.progress.hashes_computed
        if sent:
            best = min(sent, key=lambda result: result.distance)
            assert best == received(message.progress.best_candidate)
    assert reports >= 4


async def test_progress_comes_while_nothing_is_searched(application: StartApplication) -> None:
    """A search without a turn so far reports zero hashes, no candidate, and its start position."""
    running = await application(workers=1, chunk_seconds=1.0)
    call = running.stub.FindRange(request_with(0.05, start_position=7))
    message = await call.read()
    assert isinstance(message, HashNameResponse)
    progress = message.progress
    call.cancel()

    assert 7 + progress.hashes_computed == progress.next_position
    assert not progress.HasField("best_candidate")
