"""Faults in the threads for the log and the metrics: the server serves on, and so do they."""

from collections.abc import Callable
from http.client import HTTPException
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.server_process import ServerProcess, eventually

StartServer = Callable[..., ServerProcess]
BREAK_LOG = """
from hashfinder_process.sink import Sink
write, faults = Sink.write, [{fault}]
def broken(sink, text):
    if faults and "rpc ended" in text:
        raise faults.pop()
    return write(sink, text)
Sink.write = broken
"""
BREAK_METRICS = """
from hashfinder.observability.exposition import MetricsEndpoint
answer, faults = MetricsEndpoint._answer, [{fault}]
async def broken(endpoint, *connection):
    if faults:
        raise faults.pop()
    await answer(endpoint, *connection)
MetricsEndpoint._answer = broken
"""


def assert_serving(server: ServerProcess) -> None:
    """A search is answered, and health is SERVING."""
    with server.stub() as stub, server.channel() as channel:
        assert "AMA=" == stub.Find(HashNameRequest(desired_name="doc"), timeout=10).secret
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert health_pb2.HealthCheckResponse.SERVING == answer.status


@pytest.mark.parametrize("fault", ["MemoryError()", "SystemExit(3)"])
def test_fault_of_the_log_costs_the_lines_in_hand(server_process: StartServer, fault: str) -> None:
    """They are counted, the loss is reported, and later lines are written; the drain exits 0."""
    server = server_process(before=BREAK_LOG.format(fault=fault))
    assert_serving(server)
    eventually(lambda: server.metric("hashfinder_log_lines_dropped_total") >= 1, "it is counted")
    assert_serving(server)
    eventually(lambda: bool(server.logs("rpc ended")), "the next line is written")
    eventually(lambda: bool(server.logs("log lines dropped")), "the loss is reported")


@pytest.mark.parametrize("fault", ["RuntimeError()", "SystemExit(3)"])
def test_fault_of_the_metrics_costs_one_scrape(server_process: StartServer, fault: str) -> None:
    """The next one is answered; a log line has the fault."""
    server = server_process(before=BREAK_METRICS.format(fault=fault))
    server.faults_expected = True
    with pytest.raises((OSError, HTTPException)):
        server.samples()
    assert_serving(server)
    eventually(lambda: scrapes(server), "metrics are served again")
    assert [line for line in server.logs() if line["level"] == "error"]


def scrapes(server: ServerProcess) -> bool:
    """Return whether the metrics are answered."""
    try:
        return server.metric("hashfinder_workers") > 0
    except (OSError, HTTPException):
        return False
