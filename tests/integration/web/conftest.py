"""A server and a gateway, shared by the tests of a module."""

from collections.abc import Iterator
from functools import partial

import pytest

from tests.integration.gateway_process import GatewayProcess, RunGateway, run_gateway
from tests.integration.program import Program
from tests.integration.server_process import ServerProcess


@pytest.fixture(scope="session")
def gateway_program() -> Iterator[Program]:
    """The gateway, imported once."""
    with Program("hashfinder_web") as program:
        yield program


@pytest.fixture(name="run_gateway", scope="session")
def forked_gateway(gateway_program: Program) -> RunGateway:
    """Run a gateway that is forked; as the function `run_gateway` otherwise."""
    return partial(run_gateway, program=gateway_program)


@pytest.fixture(scope="module")
def gateway(run_gateway: RunGateway, module_server: ServerProcess) -> Iterator[GatewayProcess]:
    """A gateway with default settings."""
    with run_gateway(module_server) as process:
        yield process


@pytest.fixture(scope="module")
def named_gateway(
    run_gateway: RunGateway, module_server: ServerProcess
) -> Iterator[GatewayProcess]:
    """A gateway with host names."""
    with run_gateway(module_server, "--allowed-hosts=search.example, other.example") as process:
        yield process
