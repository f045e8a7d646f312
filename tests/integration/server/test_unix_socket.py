"""A server on a unix socket: all services, the permissions of its file, and the drain."""

import json
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from hashfinder_client import Finder, Query, UnavailableError
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.program import Program
from tests.integration.server_process import (
    PROGRAM,
    SERVICE,
    RunServer,
    ServerProcess,
    listening_ports,
    server_environment,
    server_flags,
)

EASY = Query("doctor", ideal_distance=3)
NEVER = HashNameRequest(desired_name="doctordoctordoctordoctor")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the module's socket; its name needs escaping in a URI."""
    return tmp_path_factory.mktemp("a folder")


@pytest.fixture(scope="module")
def server(run_server: RunServer, folder: Path) -> Iterator[ServerProcess]:
    """A server on a socket, with its metrics on a port."""
    with run_server("--listen", f"unix:{folder}/socket") as server:
        yield server


def refused(program: Program, path: Path) -> str:
    """Return why a server does not start on a socket."""
    flags = server_flags("--listen", f"unix:{path}")
    ended = program.run(flags, server_environment())
    assert 1 == ended.returncode
    assert "Traceback" not in ended.stderr
    [failed] = [
        line for line in map(json.loads, ended.stderr.splitlines()) if line["level"] == "error"
    ]
    reason: str = failed["reason"]
    return reason


def test_searches_health_and_reflection_are_there(server: ServerProcess, folder: Path) -> None:
    """The logged address is the clients' target; the metrics' port is the only one."""
    assert f"unix:{folder}/socket".replace(" ", "%20") == server.address
    with Finder(server.address) as finder:
        assert finder.find(EASY).distance <= 3
        assert finder.estimate("doctor").chance
    with server.channel() as channel:
        health: Any = HealthStub(channel)
        answer = health.Check(HealthCheckRequest(service=SERVICE))
        assert HealthCheckResponse.SERVING == answer.status
        assert SERVICE in ProtoReflectionDescriptorDatabase(channel).get_services()
    port = int(server.metrics_url.rpartition(":")[2].partition("/")[0])
    assert {port} == listening_ports(server.process.pid)


def test_socket_is_for_its_user_and_group(server: ServerProcess, folder: Path) -> None:
    """Access is decided by the folder's permissions."""
    assert server.process.poll() is None
    assert [folder / "socket"] == list(folder.iterdir())
    assert 0o660 == stat.S_IMODE((folder / "socket").stat().st_mode)


def test_socket_in_use_is_not_replaced(
    server_program: Program, server: ServerProcess, folder: Path
) -> None:
    """A second server exits and says why."""
    reason = refused(server_program, folder / "socket")
    assert f"cannot listen on {server.address}: a server listens there already" == reason
    with Finder(server.address) as finder:
        finder.find(EASY)


def test_folder_that_is_missing_is_named(server_program: Program, folder: Path) -> None:
    """A missing folder, such as a volume that is not mounted, is not created."""
    reason = refused(server_program, folder / "missing" / "socket")
    assert reason.endswith("its folder cannot be used: No such file or directory")


def test_all_clients_of_a_socket_are_one(
    server_process: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    """GRPC does not identify clients of a socket, so they share one client's limits."""
    server = server_process(
        "--listen", f"unix:{tmp_path}/socket", "--maximum-searches-per-client", "1"
    )
    with server.stub() as first, server.stub() as second:
        search = first.Find.future(NEVER)
        server.wait_for_searches(1)
        with pytest.raises(grpc.RpcError) as caught:
            second.Find(NEVER)
        assert grpc.StatusCode.RESOURCE_EXHAUSTED is caught.value.code()
        search.cancel()
        server.wait_until_idle()


def test_drain_ends_searches_and_removes_the_socket(
    server_process: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    """The drain is the same as on a port."""
    server = server_process("--listen", f"unix:{tmp_path}/socket")
    with server.stub() as stub:
        search = stub.Find.future(NEVER)
        server.wait_for_searches(1)
        server.send(signal.SIGTERM)
        assert grpc.StatusCode.UNAVAILABLE is search.code()
    assert 0 == server.wait()
    assert [] == list(tmp_path.iterdir())


def test_server_that_was_killed_can_be_started_again(
    server_process: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    """Its socket is replaced, and clients connect to the new one."""
    flags = ("--listen", f"unix:{tmp_path}/socket")
    server = server_process(*flags)
    with Finder(server.address) as finder:
        finder.find(EASY)
        server.send(signal.SIGKILL)
        server.wait()
        assert (tmp_path / "socket").exists()
        again = server_process(*flags)
        assert server.address == again.address
        assert finder.find(EASY).distance <= 3


def test_client_that_is_lost_frees_its_search(server: ServerProcess) -> None:
    """A closed socket is noticed as on a port."""
    client = subprocess.Popen(
        [*PROGRAM[:2], "hashfinder_cli", "find", "doctordoctordoctor", "--server", server.address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server.wait_for_searches(1)
    client.kill()
    client.wait()
    server.wait_until_idle()


def test_socket_without_a_server() -> None:
    """The client reports UNAVAILABLE, as with a port."""
    with (
        Finder("unix:/nonexistent/socket", timeout=1) as finder,
        pytest.raises(UnavailableError, match="UNAVAILABLE"),
    ):
        finder.find("doctor")
