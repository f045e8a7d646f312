"""Health and operators at separate addresses, beside a port with TLS."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.scripted import Run
from tests.integration.security.conftest import TlsFolder
from tests.integration.server_process import SERVICE, ServerProcess, run_server

pytestmark = pytest.mark.security

SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module")
def socket_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of the operators' socket."""
    return tmp_path_factory.mktemp("run") / "admin"


@pytest.fixture(scope="module")
def server(shared_folder: TlsFolder, socket_path: Path) -> Iterator[ServerProcess]:
    """A server with mutual TLS, a port for health, and a socket for operators."""
    sides = ("--health-listen", "127.0.0.1:0", "--admin-listen", f"unix:{socket_path}")
    with run_server("--workers", "1", *shared_folder.mutual, *sides) as server:
        yield server


def asked(address: str, service: str) -> int:
    """Return the health of a service, requested in plain text like the kubelet does."""
    with grpc.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
        return int(answer.status)


@pytest.mark.parametrize("service", ["", SERVICE])
@pytest.mark.parametrize("side", ["health", "admin"])
def test_health_is_plain_beside_mutual_tls(server: ServerProcess, side: str, service: str) -> None:
    """No certificate is needed."""
    assert SERVING == asked(server.logs("serving")[0][side], service)


@pytest.mark.parametrize("side", ["health", "admin"])
def test_side_addresses_serve_no_searches(server: ServerProcess, side: str) -> None:
    """They cannot be used to bypass TLS."""
    with (
        grpc.insecure_channel(server.logs("serving")[0][side]) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        HashFinderStub(channel).Find(HashNameRequest(desired_name="doc"), timeout=20)
    assert grpc.StatusCode.UNIMPLEMENTED is caught.value.code()


def test_command_line_uses_side_addresses(server: ServerProcess, call: Run) -> None:
    """A container's health check does this; TLS variables do not apply to a socket."""
    for side in ("health", "admin"):
        address = server.logs("serving")[0][side]
        ended = call("health", "--server", address, "--service", SERVICE)
        assert (0, "") == (ended.returncode, ended.stderr)
    assert 0 == call("health", "--server", server.logs("serving")[0]["admin"], "--tls").returncode


def test_socket_is_for_its_user_and_group(server: ServerProcess, socket_path: Path) -> None:
    """Every process that can open it is an operator."""
    assert f"unix:{socket_path}" == server.logs("serving")[0]["admin"]
    assert 0o660 == stat.S_IMODE(socket_path.stat().st_mode)


def test_health_at_a_side_address_follows_the_drain(shared_folder: TlsFolder) -> None:
    """The service is NOT_SERVING while the server itself is still SERVING."""
    with run_server(
        *("--workers", "1", *shared_folder.flags, "--health-listen", "127.0.0.1:0"),
        *("--drain-delay", "60"),
    ) as server:
        address = server.logs("serving")[0]["health"]
        with grpc.insecure_channel(address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=50)
            assert SERVING == next(watch).status
            server.process.terminate()
            assert health_pb2.HealthCheckResponse.NOT_SERVING == next(watch).status
            assert SERVING == asked(address, "")
        server.process.kill()
        server.wait()
