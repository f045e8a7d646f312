"""Servers for all integration tests."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from tests.integration.server_process import ServerProcess, run_server


@pytest.fixture
def server_process() -> Iterator[Callable[..., ServerProcess]]:
    """Start servers with the flags, and the environment `env`, that the test gives."""
    with ExitStack() as servers:

        def start(*flags: str, env: Mapping[str, str] | None = None) -> ServerProcess:
            return servers.enter_context(run_server(*flags, env=env))

        yield start
