"""gRPC and metrics listen on the same addresses."""

import socket
from collections.abc import Callable

import pytest

from tests.integration.server_process import ServerProcess

StartServer = Callable[..., ServerProcess]


def has_ipv6() -> bool:
    """Return whether this machine can listen on ``::1``."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def accepting(url: str) -> set[str]:
    """Return the loopback addresses on which the port of a URL accepts connections."""
    port = int(url.removesuffix("/metrics").rpartition(":")[2])
    addresses = set()
    for address in ("127.0.0.1", "::1"):
        try:
            socket.create_connection((address, port), timeout=5).close()
        except OSError:
            continue
        addresses.add(address)
    return addresses


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", {"127.0.0.1"}), ("localhost", {"127.0.0.1", "::1"})],
)
def test_both_ports_listen_on_the_same_addresses(
    server_process: StartServer, host: str, expected: set[str]
) -> None:
    """Both ports use the host's address families, also if the system chooses the ports."""
    if "::1" in expected and not has_ipv6():
        pytest.skip("this machine has no IPv6: two families cannot be shown")
    server = server_process("--workers", "1", "--host", host, "--port", "0", "--metrics-port", "0")

    assert expected == accepting(server.address)
    assert expected == accepting(server.metrics_url)
