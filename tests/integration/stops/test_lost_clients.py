"""Clients that die or stop reading release their slots."""

import signal
from collections.abc import Callable

import grpc
import pytest

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.server.endings import ending_of
from tests.integration.server_process import ServerProcess, eventually
from tests.integration.stops.conftest import StartClient

SLOTS = 3
LIMITS = ("--maximum-searches", str(SLOTS), "--maximum-waiting", "0", "--workers", "2")
SHORT = HashNameRequest(desired_name="hopelessly", maximum_hashes=1000)
StartServer = Callable[..., ServerProcess]


def reason(server: ServerProcess) -> str:
    """Return how a short search ends: with its budget, if it gets a slot."""
    with server.stub() as stub, pytest.raises(grpc.RpcError) as caught:
        stub.Find(SHORT, timeout=20)
    return ending_of(caught.value).reason


@pytest.mark.parametrize("method", ["Find", "FindRange"])
def test_killed_client_releases_its_slots(
    server_process: StartServer, client_process: StartClient, method: str
) -> None:
    """A client that held every slot and is killed holds none soon after."""
    server = server_process(*LIMITS)
    client = client_process(server, method, SLOTS)
    server.wait_for_searches(SLOTS)
    assert reason(server) == "SERVER_OVERLOADED"

    client.send_signal(signal.SIGKILL)

    eventually(lambda: reason(server) == "HASH_BUDGET_EXHAUSTED", "a slot is free", 20)
    server.wait_until_idle()
    eventually(
        lambda: server.metric("hashfinder_cancellations_total", cause="disconnect") == SLOTS,
        "each is counted as a disconnect",
    )


def test_stalled_readers_are_parked_and_freed_when_killed(
    server_process: StartServer, client_process: StartClient
) -> None:
    """A client that never reads uses no CPU, does not affect others, and is freed when it dies."""
    server = server_process(*LIMITS)
    client = client_process(server, "FindRange", SLOTS - 1, interesting=10)
    server.wait_for_parked(SLOTS - 1)
    eventually(lambda: server.metric("hashfinder_workers_busy") == 0, "no worker is busy")
    assert reason(server) == "HASH_BUDGET_EXHAUSTED"

    client.send_signal(signal.SIGKILL)

    server.wait_until_idle(20)
    eventually(
        lambda: server.metric("hashfinder_cancellations_total", cause="disconnect") == SLOTS - 1,
        "each is counted as a disconnect",
    )
    assert server.metric("hashfinder_searches_parked") == 0
