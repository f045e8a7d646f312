"""/metrics: names, labels, and series that exist from the start."""

import re
import urllib.request
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.server_process import SERVICE, ServerProcess, eventually

METHODS = {"Find": "unary", "FindRange": "server_stream", "Estimate": "unary"}
CAUSES = {
    "client_cancel",
    "deadline",
    "disconnect",
    "budget",
    "quota",
    "overload",
    "shutdown",
    "operator",
}
GO_CODES = {
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
}
GAUGES = {
    "hashfinder_searches_active",
    "hashfinder_searches_queued",
    "hashfinder_searches_parked",
    "hashfinder_workers",
    "hashfinder_workers_busy",
    "hashfinder_draining",
}


def exposition(server: ServerProcess) -> str:
    """Return the text of /metrics."""
    with urllib.request.urlopen(server.metrics_url, timeout=10) as response:  # noqa: S310  # ours
        assert response.headers["Content-Type"].startswith("text/plain")
        return str(response.read().decode())


def test_series_exist_from_the_start(server_process: Callable[..., ServerProcess]) -> None:
    """Every code and cause of a method starts at zero, so that rate() sees its first event."""
    samples = server_process("--workers", "3").samples()

    for method, kind in METHODS.items():
        rpc = {"grpc_type": kind, "grpc_service": SERVICE, "grpc_method": method}
        for name in (
            "grpc_server_started_total",
            "grpc_server_msg_received_total",
            "grpc_server_msg_sent_total",
            "grpc_server_handling_seconds_count",
            "grpc_server_handling_seconds_sum",
        ):
            assert 0 == samples[name, frozenset(rpc.items())]
        for code in GO_CODES:
            handled = frozenset({**rpc, "grpc_code": code}.items())
            assert 0 == samples["grpc_server_handled_total", handled]
        for cause in CAUSES:
            stopped = frozenset({"method": method, "cause": cause}.items())
            assert 0 == samples["hashfinder_cancellations_total", stopped]
    assert 0 == samples["hashfinder_hashes_total", frozenset()]
    assert 0 == samples["hashfinder_cancel_latency_seconds_count", frozenset()]
    assert GAUGES <= {name for name, _ in samples}
    assert 3 == samples.value("hashfinder_workers")
    assert 3 * len(CAUSES) == sum(name == "hashfinder_cancellations_total" for name, _ in samples)


def test_build_and_kernel_are_reported(server: ServerProcess) -> None:
    """The version and the kernel in use are reported."""
    samples = server.samples()

    assert 1 == samples.value("hashfinder_build_info", version="0.1.0")
    assert 1 == samples.value("hashfinder_kernel_info", backend=server.kernel)


def test_messages_are_counted(server: ServerProcess) -> None:
    """Messages in and out, started and handled RPCs, and hashes are consistent."""
    request = HashNameRequest(
        desired_name="hopeless", interesting_hamming_distance=8, maximum_hashes=500
    )
    before = server.samples()
    with server.stub() as stub, pytest.raises(grpc.RpcError):
        list(stub.FindRange(request))
    seconds = "grpc_server_handling_seconds_count"
    eventually(lambda: bool(server.samples().moved(seconds, before)), "the RPC is counted")
    after = server.samples()

    rpc = frozenset(
        {
            "grpc_type": "server_stream",
            "grpc_service": SERVICE,
            "grpc_method": "FindRange",
        }.items()
    )
    for name, moved in {
        "grpc_server_started_total": 1,
        "grpc_server_msg_received_total": 1,
        "grpc_server_msg_sent_total": 500,
        seconds: 1,
    }.items():
        assert {rpc: moved} == after.moved(name, before)
    assert {frozenset(): 500} == after.moved("hashfinder_hashes_total", before)


def test_exposition_is_well_formed(server: ServerProcess) -> None:
    """The rules of promtool: help and type, units, counters that end in _total."""
    families = list(text_string_to_metric_families(exposition(server)))
    names = [family.name for family in families]

    assert len(set(names)) == len(names)
    for family in families:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
        assert family.documentation
        assert family.type in {"counter", "gauge", "histogram"}
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        for sample in family.samples:
            assert family.type != "counter" or sample.name.endswith("_total")
            assert not sample.name.endswith("_created")
            assert all(re.fullmatch(r"[a-z_]+", label) for label in sample.labels)


def test_labels_contain_nothing_from_clients(server: ServerProcess) -> None:
    """Names, methods and metadata of clients create no series."""
    before = set(server.samples())
    marker = "zyxwvu"
    with server.channel() as channel:
        for path in (f"/{marker}/Find", f"/{SERVICE}/{marker}", f"/{SERVICE}/Find"):
            payload = HashNameRequest(desired_name=marker * 9).SerializeToString()
            call: Any = channel.unary_unary(path)
            with pytest.raises(grpc.RpcError):
                call(payload, metadata=((f"x-{marker}", marker),))

    assert marker not in exposition(server)
    assert before == set(server.samples())
