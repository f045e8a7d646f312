"""Searches over a link that loses, delays, reorders or drops packets: the results are the same."""

import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from hashfinder_client import BudgetSpentError, Finder, Match, Query
from tests.integration.network import Network, open_network
from tests.integration.server_process import ServerProcess, eventually

KEEPALIVE_SECONDS = 2
NAME = "doctor0"
HASHES = 400_000
"""The kernel in Python takes some 10 s for these hashes, longer than keepalive needs."""
LOSS = 0.1
StartServer = Callable[..., ServerProcess]


def command(network: Network, server: ServerProcess, *more: str) -> subprocess.Popen[str]:
    """Start a search on the other side of the link."""
    options = ("--resume", "--json", "--show-inferior", "3", "--progress-interval", "0.05")
    where = ("--server", server.address, "--maximum-hashes", str(HASHES))
    words = [*network.inside, sys.executable, "-m", "hashfinder_cli", "find", NAME]
    return subprocess.Popen(
        [*words, *options, *where, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def positions(process: subprocess.Popen[str]) -> list[int]:
    """Return the positions of a search's results, once its budget is spent."""
    stdout, stderr = process.communicate(timeout=150)
    assert 3 == process.returncode, stderr
    lines = [json.loads(line) for line in stdout.splitlines()]
    return [line["position"] for line in lines if line["type"] == "result"]


def found(address: str) -> list[int]:
    """Return the same positions for a search from this side."""
    query = Query(NAME, inferior_distance=3, maximum_hashes=HASHES)
    collected: list[int] = []
    with (
        Finder(address) as finder,
        suppress(BudgetSpentError),
        finder.find_range(query) as events,
    ):
        # results before the end of the budget are kept
        collected.extend(event.position for event in events if isinstance(event, Match))
    return collected


@pytest.fixture
def start_server(server_process: StartServer) -> StartServer:
    """Start a server with fast keepalive on a network."""
    return lambda network: server_process(
        *("--host", network.server_address, "--plain-text", "--workers", "1"),
        *("--kernel", "python"),  # so that no machine finishes the search too early
        *("--keepalive-seconds", str(KEEPALIVE_SECONDS)),
    )


@pytest.fixture
def server(network: Network, start_server: StartServer) -> ServerProcess:
    """A server with fast keepalive."""
    return start_server(network)


def searches(server: ServerProcess) -> float:
    """Return how many searches the server has started."""
    return server.metric("grpc_server_started_total", grpc_method="FindRange")


@pytest.mark.netns
def test_loss(network: Network, server: ServerProcess) -> None:
    """One packet in ten is lost in each direction, so that TCP retransmits and reorders."""
    network.lose(LOSS)
    assert found(server.address) == positions(command(network, server))
    server.wait_until_idle()


@pytest.fixture
def rough_network() -> Iterator[Network]:
    """A network with a rough link."""
    seed = int(os.environ.get("TEST_SEED", secrets.randbits(32)))
    print(f"TEST_SEED={seed}")  # noqa: T201  # shown when the test fails
    with open_network(random.Random(seed)) as network:  # noqa: S311  # no secret
        yield network


@pytest.mark.netns
def test_delay_and_reorder(rough_network: Network, start_server: StartServer) -> None:
    """Packets are delayed by up to 35 ms, overtake each other and get lost."""
    server = start_server(rough_network)
    assert found(server.address) == positions(command(rough_network, server))
    server.wait_until_idle()


@pytest.mark.netns
def test_short_partition_does_not_end_the_rpc(network: Network, server: ServerProcess) -> None:
    """It is shorter than keepalive, so the same RPC continues."""
    process = command(network, server)
    server.wait_for_searches(1)
    with network.partition():
        time.sleep(KEEPALIVE_SECONDS / 2)
    assert positions(process) == found(server.address)
    assert 2 == searches(server)
    assert 0 == server.metric("hashfinder_cancellations_total", cause="disconnect")


@pytest.mark.netns
def test_long_partition_that_heals(network: Network, server: ServerProcess) -> None:
    """The server frees the slot; the client resumes after 20 s without a report."""
    process = command(network, server)
    server.wait_for_searches(1)
    assert process.stdout
    first = process.stdout.readline()
    with network.partition():
        server.wait_until_idle(20)
    cut = "hashfinder_cancellations_total"
    eventually(lambda: server.metric(cut, cause="disconnect") == 1, "it is a disconnect")
    rest = positions(process)
    line = json.loads(first)
    before = [line["position"]] if line["type"] == "result" else []
    assert [*before, *rest] == found(server.address)
    assert 3 == searches(server)


@pytest.mark.netns
def test_long_partition_before_the_first_report(network: Network, server: ServerProcess) -> None:
    """The client does not know whether to expect reports; it probes the connection after 20 s."""
    process = command(network, server, "--progress-interval", "6", "--show-inferior", "0")
    server.wait_for_searches(1)
    with network.partition():
        server.wait_until_idle(20)
    assert [] == positions(process)
    assert 2 == searches(server)


@pytest.mark.netns
def test_partition_of_a_search_without_reports(network: Network, server: ServerProcess) -> None:
    """It is probed as well, so the command ends. By keepalive alone it would take five minutes."""
    words = [sys.executable, "-m", "hashfinder_cli", "find", "hopelessly"]
    process = subprocess.Popen(
        [*network.inside, *words, "--server", server.address], stderr=subprocess.PIPE, text=True
    )
    server.wait_for_searches(1)
    network.drop_all_packets()
    _, stderr = process.communicate(timeout=100)
    assert 5 == process.returncode, stderr
    assert "Lost the connection" in stderr
