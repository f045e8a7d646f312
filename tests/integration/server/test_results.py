"""Results against an independent brute force: same candidates, same order, same end."""

import os
import random
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import grpc
import pytest

from hashfinder.kernel import load_kernel
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.server import brute_force
from tests.integration.server.brute_force import KEYSPACE_END, Answer, received
from tests.integration.server.conftest import StartApplication
from tests.integration.server.endings import Ending, ending_of, finish
from tests.integration.server.kernels import JitterKernel
from tests.integration.server_process import RunServer, ServerProcess

CASES = 200
AT_ONCE = 20
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
LENGTH_BORDERS = (0, 1, 257, 65793, 16843009, 4311810305)
"""The first position of each length."""


@dataclass(frozen=True)
class Case:
    """One search."""

    name: str
    ideal: int
    interesting: int
    start: int
    budget: int

    @property
    def request(self) -> HashNameRequest:
        """The request for this search."""
        return HashNameRequest(
            desired_name=self.name,
            ideal_hamming_distance=self.ideal,
            interesting_hamming_distance=self.interesting,
            start_position=self.start,
            maximum_hashes=self.budget,
        )


@pytest.fixture(scope="module")
def seed() -> int:
    """The seed of the module's random cases: TEST_SEED, or a new one."""
    return int(os.environ.get("TEST_SEED", secrets.randbits(32)))


@pytest.fixture(scope="module")
def cases(seed: int) -> list[tuple[Case, Answer]]:
    """Random searches, and the answers that they must get."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    drawn: list[Case] = []
    while len(drawn) < CASES:
        name = "".join(chance.choices(BASE64, k=chance.randint(1, 4)))
        if chance.random() < 0.15:
            name = name[:-1] + "="
        ideal = min(len(name), chance.choice((0, 0, 0, 1, 1, 2)))
        interesting = chance.randrange(len(name)) if chance.random() < 0.5 else 0
        border = chance.choice(LENGTH_BORDERS) + chance.randint(-300, 300)
        inside = chance.randrange(2 ** chance.randint(1, 64))
        top = KEYSPACE_END - chance.randint(1, 900)
        start = min(max(chance.choice((border, border, inside, top)), 0), KEYSPACE_END - 1)
        if smallest_distance(name) <= ideal:
            drawn.append(Case(name, ideal, interesting, start, chance.randint(1, 600)))
    return [
        (case, brute_force.search(case.name, case.ideal, case.interesting, case.start, case.budget))
        for case in drawn
    ]


def smallest_distance(name: str) -> int:
    """Return the smallest distance of any hash from a name of base64 symbols and '='."""
    possible = [BASE64] * 26 + [BASE64[::4], "="]  # four bits and two zero bits, then the padding
    folded = [symbols.lower() for symbols in possible]
    return min(
        sum(c not in symbols for c, symbols in zip(name.lower(), folded[i:], strict=False))
        for i in range(29 - len(name))
    )


def ending_with(read: Callable[[], Iterable[HashNameResponse]]) -> Ending:
    """Return how a call ends; `read` yields its messages."""
    messages: list[HashNameResponse] = []
    try:
        for message in read():
            messages.append(message)  # noqa: PERF402  # the messages before an error count
    except grpc.RpcError as error:
        ending = ending_of(error)
        ending.messages = messages
        return ending
    return Ending(grpc.StatusCode.OK, "", messages)


def find_range(stub: HashFinderStub, request: HashNameRequest) -> Ending:
    """Return how a FindRange ends, with all its messages."""
    return ending_with(lambda: stub.FindRange(request))


def assert_ended(case: Case, answer: Answer, ending: Ending) -> None:
    """The search found its match, or used its budget completely and tells where to resume."""
    if answer.found:
        assert grpc.StatusCode.OK == ending.code
        return
    assert "HASH_BUDGET_EXHAUSTED" == ending.reason
    progress = ending.progress
    assert answer.hashes == progress.hashes_computed
    assert answer.best == received(progress.best_candidate)
    end = case.start + answer.hashes
    assert end < KEYSPACE_END or not progress.HasField("next_position")
    if end < KEYSPACE_END:
        assert end == progress.next_position


@pytest.fixture(scope="module")
def long_range() -> tuple[Case, list[int]]:
    """A search of many chunks without an ideal result, and the positions of its matches."""
    length = 10_000 if load_kernel().backend == "python" else 200_000
    case = Case("Kitten", 0, 2, LENGTH_BORDERS[4] - length // 3, length)
    # A text within two characters of a name of six has one third of it unchanged.
    third = re.compile("ki|tt|en", re.IGNORECASE)
    stop = case.start + length
    near = (
        position
        for position in range(case.start, stop)
        if third.search(brute_force.hashed_name_of(brute_force.secret_at(position)))
    )
    matches = [p for p in near if brute_force.score(p, case.name).distance <= case.interesting]
    return case, matches


@pytest.fixture(scope="module", params=[1, 2, 4], ids="{} workers".format)
def busy_server(
    run_server: RunServer,
    request: pytest.FixtureRequest,
    cases: object,  # noqa: ARG001  # made while the server does not
    long_range: object,  # noqa: ARG001  # use all cores yet
) -> Iterator[ServerProcess]:
    """Run a server with some workers that are busy with other searches all the time."""
    other = HashNameRequest(desired_name="hopelessly")
    with ExitStack() as stack:
        flags = ("--workers", str(request.param), "--chunk-seconds", "0.0001")
        server = stack.enter_context(run_server(*flags))
        stub = stack.enter_context(server.stub())
        others = [stub.Find.future(other) for _ in range(3)]
        server.wait_for_searches(3)
        yield server
        for call in others:
            call.cancel()
        server.wait_until_idle()


def test_results_equal_a_brute_force(
    busy_server: ServerProcess, cases: list[tuple[Case, Answer]], seed: int
) -> None:
    """Find gives the first match, FindRange all in order, whatever the workers and the load."""
    print(f"TEST_SEED={seed}")  # noqa: T201  # shown when the test fails
    with busy_server.stub() as stub:
        for start in range(0, CASES, AT_ONCE):
            some = cases[start : start + AT_ONCE]
            streams = [stub.FindRange(case.request) for case, _ in some]
            finds = [stub.Find.future(case.request) for case, _ in some]
            for (case, answer), stream, find in zip(some, streams, finds, strict=True):
                streamed = ending_with(partial(iter, stream))
                assert answer.results == [received(message) for message in streamed.messages], case
                assert_ended(case, answer, streamed)

                first = ending_with(partial(map, type(find).result, [find]))
                expected = answer.results[-1:] if answer.found else []
                assert expected == [received(message) for message in first.messages], case
                assert_ended(case, answer, first)


def test_every_match_of_a_long_range_comes_in_order(
    busy_server: ServerProcess, long_range: tuple[Case, list[int]]
) -> None:
    """A range of many chunks, scanned by all workers at once, returns what one worker would."""
    case, expected = long_range

    with busy_server.stub() as stub:
        ending = find_range(stub, case.request)

    assert len(expected) > case.budget // 10_000
    assert expected == [message.position for message in ending.messages]
    assert case.budget == ending.progress.hashes_computed


async def test_chunks_may_come_back_in_any_order(application: StartApplication, seed: int) -> None:
    """Results do not depend on which worker is faster, nor on the boundaries of chunks."""
    print(f"TEST_SEED={seed}")  # noqa: T201  # shown when the test fails
    running = await application(JitterKernel(seed), workers=4, chunk_seconds=0.0001)
    case = Case("Dog", 0, 2, start=65000, budget=2000)
    answer = brute_force.search(case.name, case.ideal, case.interesting, case.start, case.budget)

    for _ in range(2):
        ending = await finish(running.stub.FindRange(case.request))

        assert answer.results == [received(message) for message in ending.messages]
        assert_ended(case, answer, ending)


def test_resuming_gives_what_one_search_gives(stub: HashFinderStub, seed: int) -> None:
    """A search in parts, each from the last next_position, finds the same as a single one."""
    print(f"TEST_SEED={seed}")  # noqa: T201  # shown when the test fails
    chance = random.Random(seed)  # noqa: S311  # no secret
    whole = brute_force.search("Owl", 0, 1, 200, 6000)
    request = HashNameRequest(
        desired_name="Owl", interesting_hamming_distance=1, start_position=200
    )
    parts: list[HashNameResponse] = []
    found, left = False, 6000
    while left and not found:
        request.maximum_hashes = min(left, chance.randint(1, 1500))
        ending = find_range(stub, request)
        parts += ending.messages
        found = ending.code is grpc.StatusCode.OK
        if not found:
            left -= ending.progress.hashes_computed
            request.start_position = ending.progress.next_position

    assert whole.results == [received(message) for message in parts]
    assert whole.found == found


@pytest.mark.parametrize("left", [1, 5, 256, 257])
def test_search_ends_with_the_keyspace(stub: HashFinderStub, left: int) -> None:
    """A budget beyond the last position ends there, and there is nothing left to resume."""
    request = HashNameRequest(
        desired_name="hopeless",
        interesting_hamming_distance=8,
        start_position=KEYSPACE_END - left,
        maximum_hashes=10_000,
    )

    ending = find_range(stub, request)

    assert left == ending.progress.hashes_computed
    assert not ending.progress.HasField("next_position")
    assert [*range(KEYSPACE_END - left, KEYSPACE_END)] == [m.position for m in ending.messages]


def test_last_position_can_be_resumed_from(stub: HashFinderStub) -> None:
    """A search that stops just before the last position names it as the next."""
    request = HashNameRequest(
        desired_name="hopeless", start_position=KEYSPACE_END - 5, maximum_hashes=4
    )

    progress = find_range(stub, request).progress

    assert progress.HasField("next_position")
    assert KEYSPACE_END - 1 == progress.next_position


async def test_largest_budget_ends_at_the_end_of_the_keyspace(
    application: StartApplication,
) -> None:
    """The largest numbers that the contract allows work like all others."""
    running = await application(load_kernel("python"), maximum_hashes=2**64 - 1)
    request = HashNameRequest(
        desired_name="hopeless", start_position=2**64 - 5, maximum_hashes=2**64 - 1
    )

    ending = await finish(running.stub.Find(request))

    assert "HASH_BUDGET_EXHAUSTED" == ending.reason
    assert 5 == ending.progress.hashes_computed
