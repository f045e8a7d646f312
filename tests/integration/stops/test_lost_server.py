"""A server that is killed: its clients notice at once."""

import signal
import time
from collections.abc import Callable

import grpc
import pytest

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.server_process import ServerProcess

HOPELESS = HashNameRequest(desired_name="hopelessly")
PROMPT_SECONDS = 5.0
CALLS = 8


@pytest.mark.parametrize("method", ["Find", "FindRange"])
def test_killed_server_is_unavailable_promptly(
    server_process: Callable[..., ServerProcess], method: str
) -> None:
    """Every running call ends with UNAVAILABLE long before its deadline."""
    server = server_process()
    with server.stub() as stub:
        start = stub.Find.future if method == "Find" else stub.FindRange
        calls = [start(HOPELESS, timeout=50) for _ in range(CALLS)]
        server.wait_for_searches(CALLS)

        began = time.monotonic()
        server.send(signal.SIGKILL)
        codes = [call.code() for call in calls]
        took = time.monotonic() - began

    assert [grpc.StatusCode.UNAVAILABLE] * CALLS == codes
    assert took < PROMPT_SECONDS
    assert server.wait() == -signal.SIGKILL
