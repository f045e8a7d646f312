"""Fair shares: a client gets its share of the workers, however many searches it opens."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.server_process import RunServer, ServerProcess

pytestmark = pytest.mark.alone

WORKERS = 2
FIRST_STEP = 4096
"""The positions that a search scans at once, before its first turn."""
ACCESS = Path(__file__).parent / "access"
FILES = {"tokens": "tokens", "policy": "policy.toml"}

Stream = Any  # what the type stubs call grpc.CallIterator


@pytest.fixture(scope="module")
def fair_server(run_server: RunServer) -> Iterator[ServerProcess]:
    """Run a server that tells clients apart by their connections."""
    with run_server("--client-identity", "connection", "--workers", str(WORKERS)) as server:
        yield server


def hopeless() -> HashNameRequest:
    """Return a request for an endless search with progress reports."""
    request = HashNameRequest(desired_name="hopelessly")
    request.progress_interval.FromMilliseconds(200)
    return request


def open_searches(stub: HashFinderStub, number: int, stack: ExitStack) -> list[Stream]:
    """Open endless searches with progress reports; the stack cancels them."""
    calls = [stub.FindRange(hopeless()) for _ in range(number)]
    for call in calls:
        stack.callback(call.cancel)
    return calls


def rate(call: Stream, since: float = 0.0) -> float:
    """Return a search's rate over three reports, by the server's clock.

    The first of them comes at least `since` seconds after the search began.
    """
    timed = reports(call)
    began, first = next((at, hashes) for at, hashes in timed if at >= since)
    *_, (ended, last) = islice(timed, 3)
    return (last - first) / (ended - began)


def reports(call: Stream) -> Iterator[tuple[float, int]]:
    """Yield the seconds since the search began, by the server's clock, and its hashes."""
    while True:
        each = next(call).progress
        if each.hashes_computed > FIRST_STEP:
            yield each.hashes_computed / each.hashes_per_second, each.hashes_computed


def hashes_between(call: Stream, begin: float, end: float) -> int:
    """Return how many hashes a search computed between two of its times."""
    before = now = 0
    for at, hashes in reports(call):
        if at > end:
            break
        now = hashes
        if at <= begin:
            before = hashes
    return now - before


def until_turns(call: Stream, turns: int) -> tuple[float, float, int]:
    """Wait until a search has had `turns` turns; return when they began and ended, and its hashes.

    Works at any speed: each report with more hashes than the last stands for a turn or more.
    """
    timed = reports(call)
    began, first = next(timed)
    ended, last = began, first
    while turns:
        ended, hashes = next(timed)
        turns -= hashes > last
        last = hashes
    return began, ended, last - first


@pytest.mark.parametrize("greedy", [16, 100])
def test_a_client_gains_nothing_by_opening_many_searches(
    fair_server: ServerProcess, greedy: int
) -> None:
    """One search competes with many of another client: both clients get about the same."""
    with ExitStack() as stack:
        began = time.monotonic()
        grabbing = open_searches(stack.enter_context(fair_server.stub()), greedy, stack)
        fair_server.wait_for_searches(greedy)
        [modest] = open_searches(stack.enter_context(fair_server.stub()), 1, stack)
        alone = time.monotonic() - began  # until now, the many searches had no competitor
        began, ended, one = until_turns(modest, 5)
        many = sum(hashes_between(call, began + alone, ended + alone) for call in grabbing)
    fair_server.wait_until_idle()

    assert 1 / 1.6 < one / many < 1.6


def test_weights_of_the_policy_are_the_shares(run_server: RunServer) -> None:
    """Weights of 1, 2 and 4 hold for any number of searches; the bench measures how exactly."""
    weights = {"one": 1, "two": 2, "four": 4}
    flags = [f"--{name}={ACCESS / file}" for name, file in FILES.items()]
    with run_server(*flags, "--workers", str(WORKERS)) as server, ExitStack() as stack:
        began = time.monotonic()
        calls = {}
        for name in weights:
            token = (("authorization", f"Bearer test-token-of-{name}"),)
            stub = stack.enter_context(server.stub())
            calls[name] = stub.FindRange(hopeless(), metadata=token)
            stack.callback(calls[name].cancel)
        server.wait_for_searches(len(weights))
        alone = time.monotonic() - began
        rates = {name: rate(call, since=alone) for name, call in calls.items()}

    per_weight = [rates[name] / weight for name, weight in weights.items()]
    assert max(per_weight) / min(per_weight) < 1.6


def test_lone_search_uses_all_workers(fair_server: ServerProcess) -> None:
    """A single search has chunks on every worker at once."""
    with fair_server.stub() as stub:
        call = stub.FindRange(hopeless())
        fair_server.wait_for_searches(1)
        busy = [fair_server.metric("hashfinder_workers_busy") for _ in range(40)]
        call.cancel()
        fair_server.wait_until_idle()

    assert WORKERS == max(busy)
    assert busy.count(WORKERS) > len(busy) / 4


def test_new_search_starts_while_a_hundred_others_run(fair_server: ServerProcess) -> None:
    """Another client's short search ends at once, and the busy client's own one soon."""
    with fair_server.stub() as busy, fair_server.stub() as newcomer:
        calls = [busy.Find.future(HashNameRequest(desired_name="hopelessly")) for _ in range(100)]
        fair_server.wait_for_searches(100)
        seconds: list[float] = []
        for stub in (newcomer, busy):
            began = time.perf_counter()
            assert "AMA=" == stub.Find(HashNameRequest(desired_name="doc"), timeout=20).secret
            seconds.append(time.perf_counter() - began)
        for call in calls:
            call.cancel()
        fair_server.wait_until_idle()

    assert seconds[0] < 1
    assert seconds[1] < 10
