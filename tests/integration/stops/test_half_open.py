"""A connection whose peer is gone: every packet is dropped, and no connection is closed.

Needs root: the client runs in a network namespace made for the test.
"""

import time
from collections.abc import Callable

import pytest

from tests.integration.network import Network
from tests.integration.server_process import ServerProcess, eventually
from tests.integration.stops.conftest import StartClient

KEEPALIVE_SECONDS = 1.0
SEARCHES = 4


@pytest.mark.netns
@pytest.mark.parametrize("method", ["Find", "FindRange"])
def test_half_open_connection_is_found_and_freed(
    network: Network,  # made before its users, and removed after them
    server_process: Callable[..., ServerProcess],
    client_process: StartClient,
    method: str,
) -> None:
    """Keepalive finds the lost peer: its searches end, and each is counted as a disconnect."""
    server = server_process(
        *("--host", network.server_address, "--plain-text"),
        *("--keepalive-seconds", f"{KEEPALIVE_SECONDS:g}"),
    )
    client = client_process(server, method, SEARCHES, prefix=network.inside)
    server.wait_for_searches(SEARCHES)
    time.sleep(3 * KEEPALIVE_SECONDS)
    assert SEARCHES == server.metric("hashfinder_searches_active"), "a live connection stays"

    network.drop_all_packets()

    server.wait_until_idle(30)
    eventually(
        lambda: server.metric("hashfinder_cancellations_total", cause="disconnect") == SEARCHES,
        "each is counted as a disconnect",
        30,
    )
    assert SEARCHES == server.metric("hashfinder_cancellations_total")
    assert client.poll() is None, "the client is alive, and knows nothing of it"
