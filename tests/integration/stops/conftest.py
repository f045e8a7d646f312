"""Clients that are lost: processes with running calls, in this or in another network namespace."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.integration.server_process import ServerProcess

_CLIENT = """
import sys, time, grpc
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
address, method, count, interesting = sys.argv[1:]
channel = grpc.insecure_channel(address)
grpc.channel_ready_future(channel).result()
stub = HashFinderStub(channel)
request = HashNameRequest(desired_name="hopelessly", interesting_hamming_distance=int(interesting))
start = stub.Find.future if method == "Find" else stub.FindRange
calls = [start(request) for _ in range(int(count))]
print("sent", flush=True)
time.sleep(300)
"""

StartClient = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def client_process() -> Iterator[StartClient]:
    """Start clients that never read responses to their calls; they are killed after the test."""
    with ExitStack() as clients:

        def start(
            server: ServerProcess,
            method: str = "Find",
            count: int = 1,
            interesting: int = 0,
            prefix: tuple[str, ...] = (),
        ) -> subprocess.Popen[bytes]:
            words = (server.address, method, str(count), str(interesting))
            process = clients.enter_context(
                subprocess.Popen(
                    [*prefix, sys.executable, "-c", _CLIENT, *words], stdout=subprocess.PIPE
                )
            )
            clients.callback(process.kill)
            assert process.stdout
            assert process.stdout.readline() == b"sent\n"
            return process

        yield start
