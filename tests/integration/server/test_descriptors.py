"""Clients that hold connections, and a process that runs out of file descriptors."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.server_process import ServerProcess, eventually

StartServer = Callable[..., ServerProcess]
LIMIT = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
"""


def cpu_seconds(server: ServerProcess) -> float:
    """Return the CPU time of the process, from /proc."""
    with open(f"/proc/{server.process.pid}/stat") as file:  # noqa: PTH123
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def open_descriptors(server: ServerProcess) -> int:
    """Return how many file descriptors the process has open."""
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def port_of(server: ServerProcess, which: str) -> int:
    """Return the port of gRPC or of the metrics."""
    url = server.address if which == "grpc" else server.metrics_url.removesuffix("/metrics")
    return int(url.rpartition(":")[2])


@pytest.mark.parametrize("which", ["metrics", "grpc"])
def test_lack_of_descriptors_does_not_spin(server_process: StartServer, which: str) -> None:
    """Without descriptors the CPU stays idle; once some are free, all ports accept again."""
    server = server_process("--workers", "1", before=LIMIT)
    server.faults_expected = True
    with ExitStack() as stack:
        for _ in range(80):
            connection = socket.create_connection(("127.0.0.1", port_of(server, which)), 5)
            stack.enter_context(connection)
        time.sleep(0.5)
        before = cpu_seconds(server)
        time.sleep(2)
        assert cpu_seconds(server) - before < 0.4

    eventually(lambda: answers(server), "both ports answer", 10)


def test_connections_fit_the_limit_of_descriptors(server_process: StartServer) -> None:
    """A limit of 64 lowers the number of connections: a flood leaves other descriptors free."""
    server = server_process("--workers", "1", before=LIMIT)
    server.faults_expected = True
    with ExitStack() as stack, server.stub() as stub:
        stub.Find(HashNameRequest(desired_name="doc"), timeout=5)
        for _ in range(80):
            connection = socket.create_connection(("127.0.0.1", port_of(server, "grpc")), 5)
            stack.enter_context(connection)
        time.sleep(0.5)
        assert open_descriptors(server) < 60
        server.samples()
        stub.Find(HashNameRequest(desired_name="doc"), timeout=5)

    [line] = server.logs("fewer connections: RLIMIT_NOFILE is too low")
    assert 32 == line["connections"]
    eventually(lambda: answers(server), "both ports answer", 10)


def answers(server: ServerProcess) -> bool:
    """Return whether both ports answer."""
    try:
        server.samples()
        with server.stub() as stub:
            stub.Find(HashNameRequest(desired_name="doc"), timeout=2)
    except Exception:  # noqa: BLE001  # not yet
        return False
    return True
