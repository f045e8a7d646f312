"""The firewall rule of docs/security.md limits the connections of an address."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hashfinder_client import Finder
from tests.integration.network import Network, run
from tests.integration.server_process import ServerProcess

LIMIT = 10
PAGE = Path(__file__).parents[3] / "docs/security.md"
CONNECT = """
import socket, sys
host, port = sys.argv[1].rsplit(":", 1)
opened = []
try:
    while len(opened) < 50:
        opened.append(socket.create_connection((host, int(port)), 20))
except ConnectionRefusedError:
    pass
print(len(opened), flush=True)
"""


@pytest.fixture
def server(network: Network, server_process: Callable[..., ServerProcess]) -> ServerProcess:
    """A server on the network of the test."""
    return server_process("--host", network.server_address, "--plain-text", "--workers", "1")


@pytest.fixture
def _limited(server: ServerProcess) -> Iterator[None]:
    """Apply the rule with the server's port and a lower limit."""
    [rule] = re.findall(r"iptables -A (INPUT .+-m connlimit .+)", PAGE.read_text(encoding="utf-8"))
    port = server.address.rpartition(":")[2]
    words = rule.replace("50051", port).replace(
        "--connlimit-above 100", f"--connlimit-above {LIMIT}"
    )
    run("iptables", "--wait", "-A", *words.split())
    yield
    run("iptables", "--wait", "-D", *words.split())


@pytest.mark.netns
@pytest.mark.usefixtures("_limited")
def test_connections_of_an_address_are_limited(network: Network, server: ServerProcess) -> None:
    """The surplus is refused; another address can still search."""
    client = subprocess.Popen(
        [*network.inside, sys.executable, "-c", f"{CONNECT}input()", server.address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with client:
        assert client.stdout
        assert LIMIT == int(client.stdout.readline())
        with Finder(server.address) as finder:
            assert finder.find("doc").secret
        client.communicate("\n")
