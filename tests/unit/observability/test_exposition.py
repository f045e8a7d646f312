"""The page that Prometheus reads, over HTTP."""

import socket
from urllib.request import urlopen

import pytest

from hashfinder.observability.exposition import MetricsBindError, MetricsEndpoint
from hashfinder.observability.metrics import Metrics, create_registry


def test_page_is_served_until_closed() -> None:
    """On the port that it tells; afterwards the port is free again."""
    registry = create_registry()
    Metrics(registry).freed(42)
    endpoint = MetricsEndpoint("127.0.0.1", 0, registry)
    try:
        assert f"127.0.0.1:{endpoint.port}" == endpoint.address
        with urlopen(f"http://{endpoint.address}/metrics", timeout=10) as response:
            page = response.read().decode()
    finally:
        endpoint.close()
    assert "hashfinder_cancel_latency_seconds_sum 42.0" in page
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", endpoint.port))


def test_address_in_use_is_told() -> None:
    """With the address and the system's reason."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MetricsBindError, match=rf"metrics on 127\.0\.0\.1:{port}: .*in use"):
            MetricsEndpoint("127.0.0.1", port, create_registry())
