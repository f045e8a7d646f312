"""Searches over a link that loses, delays, reorders, or is cut: the results are the same."""

import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from hashfinder_client import BudgetSpentError, Finder, Match, Query
from tests.integration.network import Network
from tests.integration.server_process import ServerProcess, eventually
from tests.k8s.forwarder import Forwarder

KEEPALIVE_SECONDS = 2
NAME = "doctor0"
HASHES = 400_000
"""So many take the kernel in Python some 10 s, longer than keepalive takes to find a cut."""
LOSS = 0.1
StartServer = Callable[..., ServerProcess]


def command(network: Network, server: ServerProcess) -> subprocess.Popen[str]:
    """Start a search on the other side of the link."""
    options = ("--resume", "--json", "--show-inferior", "3", "--progress-interval", "0.05")
    where = ("--server", server.address, "--maximum-hashes", str(HASHES))
    words = [*network.inside, sys.executable, "-m", "hashfinder_cli", "find", NAME]
    return subprocess.Popen(
        [*words, *options, *where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def positions(process: subprocess.Popen[str]) -> list[int]:
    """Return where a search has found something, when it has spent its budget."""
    stdout, stderr = process.communicate(timeout=150)
    assert 3 == process.returncode, stderr
    lines = [json.loads(line) for line in stdout.splitlines()]
    return [line["position"] for line in lines if line["type"] == "result"]


def found(address: str) -> list[int]:
    """Return the same of a search from here."""
    query = Query(NAME, inferior_distance=3, maximum_hashes=HASHES)
    collected: list[int] = []
    with (
        Finder(address) as finder,
        suppress(BudgetSpentError),
        finder.find_range(query) as events,
    ):
        # What came before the budget was spent is kept.
        collected.extend(event.position for event in events if isinstance(event, Match))
    return collected


@pytest.fixture
def server(network: Network, server_process: StartServer) -> ServerProcess:
    """A server that soon finds out that a peer is gone."""
    return server_process(
        *("--host", network.server_address, "--plain-text", "--workers", "1"),
        *("--kernel", "python"),  # no machine is through with a search before
        *("--keepalive-seconds", str(KEEPALIVE_SECONDS)),
    )


def searches(server: ServerProcess) -> float:
    """Return how many searches the server has begun."""
    return server.metric("grpc_server_started_total", grpc_method="FindRange")


@pytest.mark.netns
def test_loss(network: Network, server: ServerProcess) -> None:
    """One packet in ten, in each direction: TCP sends them again, and others overtake them."""
    network.lose(LOSS)
    assert found(server.address) == positions(command(network, server))
    server.wait_until_idle()


@pytest.mark.netns
def test_delay_and_reorder(network: Network, server: ServerProcess) -> None:
    """By netem, which some kernels do not have."""
    try:
        network.disturb("delay", "20ms", "15ms", "reorder", "25%", "loss", "2%")
    except AssertionError as error:
        pytest.skip(f"NOT TESTED, this kernel has no netem: {error}")
    assert found(server.address) == positions(command(network, server))
    server.wait_until_idle()


@pytest.mark.netns
def test_slow_line(server: ServerProcess) -> None:
    """Everything comes in halves, each up to 20 ms late: for kernels without netem, too."""
    seed = int(os.environ.get("TEST_SEED", secrets.randbits(32)))
    print(f"TEST_SEED={seed}")  # noqa: T201  # shown when the test fails
    chance = random.Random(seed)  # noqa: S311  # no secret
    forwarder = Forwarder(lambda: chance.uniform(0, 0.02))
    host, _, port = server.address.rpartition(":")
    forwarder.targets = ((host, int(port)),)
    with forwarder.serving():
        assert found(server.address) == found(forwarder.address)
    server.wait_until_idle()


@pytest.mark.netns
def test_short_partition_is_not_noticed(network: Network, server: ServerProcess) -> None:
    """Shorter than keepalive: the same RPC goes on."""
    process = command(network, server)
    server.wait_for_searches(1)
    with network.partition():
        time.sleep(KEEPALIVE_SECONDS / 2)
    assert positions(process) == found(server.address)
    assert 2 == searches(server)
    assert 0 == server.metric("hashfinder_cancellations_total", cause="disconnect")


@pytest.mark.netns
def test_long_partition_that_heals(network: Network, server: ServerProcess) -> None:
    """The server frees the slot; the client, whom nobody told, resumes after 20 s of silence."""
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
