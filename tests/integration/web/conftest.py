"""A server and a gateway, shared by the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.integration.gateway_process import GatewayProcess, run_gateway
from tests.integration.server_process import ServerProcess


@pytest.fixture(scope="module")
def gateway(module_server: ServerProcess) -> Iterator[GatewayProcess]:
    """A gateway with default settings."""
    with run_gateway(module_server) as process:
        yield process


@pytest.fixture(scope="module")
def named_gateway(module_server: ServerProcess) -> Iterator[GatewayProcess]:
    """A gateway with host names."""
    with run_gateway(module_server, "--allowed-hosts=search.example, other.example") as process:
        yield process
