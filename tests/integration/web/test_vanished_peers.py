"""A peer whose network is gone: every packet is dropped, and no connection is closed."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.integration.gateway_process import (
    CURL,
    SERVICE_PATH,
    UNFINDABLE,
    RunGateway,
    get,
    post,
    search,
)
from tests.integration.network import Network
from tests.integration.server_process import ServerProcess

PEER_SECONDS = 2
_CLIENT = """
import socket, sys, time
client = socket.socket()
client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
client.connect((sys.argv[1], int(sys.argv[2])))
client.sendall(bytes.fromhex(sys.argv[3]))
print("sent", flush=True)
while sys.argv[4] == "reads":
    client.recv(65536)
time.sleep(300)
"""
REQUESTS = {
    "silent": (post("Find", {"desiredName": UNFINDABLE}), "reads"),
    "reports": (get(search(progress_interval=0.1)), "reads"),
    "not read": (get(search("aaaaaaaaaaaa", show_inferior=12)), "does not read"),
}


@contextmanager
def _client(
    network: Network, address: tuple[str, int], request: bytes, manner: str
) -> Iterator[None]:
    words = (address[0], str(address[1]), request.hex(), manner)
    with subprocess.Popen(
        [*network.inside, sys.executable, "-c", _CLIENT, *words], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"sent\n"
            yield
        finally:
            process.kill()


@pytest.mark.netns
@pytest.mark.parametrize("kind", REQUESTS)
def test_a_vanished_peer_frees_its_search(
    run_gateway: RunGateway, network: Network, module_server: ServerProcess, kind: str
) -> None:
    """A live client keeps its search, even if it does not read: the search is parked."""
    before = module_server.metric("hashfinder_cancellations_total", cause="client_cancel")
    flags = (f"--host={network.server_address}", f"--peer-seconds={PEER_SECONDS}")
    with run_gateway(module_server, *flags) as gateway:
        with _client(network, gateway.address, *REQUESTS[kind]):
            module_server.wait_for_searches(1)
            time.sleep(3 * PEER_SECONDS)
            assert module_server.metric("hashfinder_searches_active") == 1, "a live peer stays"

            network.drop_all_packets()

            module_server.wait_until_idle(30)
        gateway.wait_for_calls(0)
    after = module_server.metric("hashfinder_cancellations_total", cause="client_cancel")
    assert before + 1 == after


@pytest.mark.netns
def test_a_vanished_server_ends_its_calls(
    server_process: Callable[..., ServerProcess], run_gateway: RunGateway, network: Network
) -> None:
    """Within 40 s, also while nothing is sent."""
    server = server_process("--host", network.server_address, "--plain-text")
    port = server.address.rpartition(":")[2]
    message = json.dumps({"desiredName": UNFINDABLE})
    with run_gateway(server, prefix=network.inside) as gateway:
        url = f"{gateway.url}{SERVICE_PATH}Find"
        words = [CURL, "--silent", "--header", "content-type: application/json", "--data", message]
        client = subprocess.Popen([*network.inside, *words, url], stdout=subprocess.PIPE, text=True)
        server.wait_for_searches(1)

        with network.partition("--protocol", "tcp", "--match", "multiport", "--ports", port):
            answer, _ = client.communicate(timeout=100)
    assert "unavailable" == json.loads(answer)["code"]
