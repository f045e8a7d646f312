"""Fixtures of all integration tests: servers, networks, names."""

from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from contextlib import ExitStack
from functools import partial

import grpc
import pytest

from hashfinder_proto.hash_name_pb2_grpc import (
    HashFinderServicer,
    add_HashFinderServicer_to_server,
)
from tests.integration.network import Network, open_network
from tests.integration.program import Program
from tests.integration.replicas import NameServer, Replicas, StartReplicas
from tests.integration.scripted import ScriptedServicer, Serve, ServeScript
from tests.integration.server_process import RunServer, ServerProcess, run_server


@pytest.fixture(scope="session")
def server_program() -> Iterator[Program]:
    """The server, imported once."""
    with Program("hashfinder") as program:
        yield program


@pytest.fixture(name="run_server", scope="session")
def forked_server(server_program: Program) -> RunServer:
    """Run a server that is forked; as the function `run_server` otherwise."""
    return partial(run_server, program=server_program)


@pytest.fixture
def server_process(server_program: Program) -> Iterator[Callable[..., ServerProcess]]:
    """Start servers with flags, an environment `env`, and Python code `before` that runs first."""
    with ExitStack() as servers:

        def start(
            *flags: str, env: Mapping[str, str] | None = None, before: str = ""
        ) -> ServerProcess:
            # Variables of other programs may take effect at an import.
            is_ours = all(name.startswith("HASHFINDER_") for name in env or ())
            program = server_program if is_ours else None
            return servers.enter_context(
                run_server(*flags, env=env, before=before, program=program)
            )

        yield start


@pytest.fixture(scope="module")
def module_server(run_server: RunServer) -> Iterator[ServerProcess]:
    """A server with one worker, shared by the tests of a module."""
    with run_server("--workers", "1") as server:
        yield server


@pytest.fixture
def network() -> Iterator[Network]:
    """A network namespace of the test's own."""
    with open_network() as network:
        yield network


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with a servicer; returns its address."""
    servers = []

    def serve(servicer: HashFinderServicer) -> str:
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
        add_HashFinderServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield serve
    for server in servers:
        server.stop(grace=None).wait()


@pytest.fixture
def names() -> Iterator[NameServer]:
    """A DNS server of the test's own."""
    server = NameServer()
    with server.serving():
        yield server


@pytest.fixture
def replicas(names: NameServer, server_process: Callable[..., ServerProcess]) -> StartReplicas:
    """Start three servers behind one name, with the test's flags and `before`."""
    return lambda *flags, before="": Replicas(names, partial(server_process, before=before), flags)


@pytest.fixture
def serve_script(
    serve: Serve,
) -> ServeScript:
    """Start a server that follows a script; returns its address."""
    return lambda script: serve(
        ScriptedServicer(script)  # type: ignore[abstract]  # no script needs Estimate
    )
