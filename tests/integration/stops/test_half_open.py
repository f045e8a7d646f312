"""A connection whose other end is gone without a word: every packet is dropped, nothing is closed.

Needs root: the client lives in a network namespace made for the test.
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from secrets import token_hex

import pytest

from tests.integration.server_process import ServerProcess, eventually
from tests.integration.stops.conftest import StartClient

KEEPALIVE_SECONDS = 1.0
SEARCHES = 4


@dataclass(frozen=True)
class Network:
    """A namespace with one link to the server's side."""

    namespace: str
    server_address: str

    @property
    def inside(self) -> tuple[str, ...]:
        """What runs a command in the namespace."""
        return ("ip", "netns", "exec", self.namespace)

    def drop_all_packets(self) -> None:
        """Let nothing through any more, in either direction, and tell nobody."""
        for chain in ("INPUT", "OUTPUT"):
            _run(*self.inside, "iptables", "-A", chain, "-j", "DROP")


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@pytest.fixture
def network() -> Iterator[Network]:
    """Make a namespace and a link to it; both vanish after the test."""
    unique = token_hex(4)
    name, outer, inner = f"hf-{unique}", f"hfo{unique}", f"hfi{unique}"
    subnet = f"198.18.{int(unique[:2], 16)}"  # of the range that is set aside for such tests
    _run("ip", "netns", "add", name)
    try:
        _run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
        _run("ip", "address", "add", f"{subnet}.1/24", "dev", outer)
        _run("ip", "link", "set", outer, "up")
        _run("ip", "-n", name, "address", "add", f"{subnet}.2/24", "dev", inner)
        _run("ip", "-n", name, "link", "set", inner, "up")
        yield Network(name, f"{subnet}.1")
    finally:
        _run("ip", "link", "delete", outer)  # both ends
        _run("ip", "netns", "delete", name)


@pytest.mark.netns
@pytest.mark.parametrize("method", ["Find", "FindRange"])
def test_half_open_connection_is_found_and_freed(
    network: Network,  # made before, and gone after, those who use it
    server_process: Callable[..., ServerProcess],
    client_process: StartClient,
    method: str,
) -> None:
    """Keepalive notices that a peer is gone: its searches end, each counted as a disconnect."""
    server = server_process(
        "--host", network.server_address, "--keepalive-seconds", f"{KEEPALIVE_SECONDS:g}"
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
