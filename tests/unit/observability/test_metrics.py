"""The metrics, by their names and labels in /metrics."""

from dataclasses import fields, replace
from typing import NamedTuple

import grpc
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hashfinder.domain.errors import Cause
from hashfinder.observability.metrics import Metrics, Readings, create_registry

SERVICE = "hash_name.HashFinder"
GO_NAMES = {
    "OK": "OK",
    "CANCELLED": "Canceled",
    "UNKNOWN": "Unknown",
    "INVALID_ARGUMENT": "InvalidArgument",
    "DEADLINE_EXCEEDED": "DeadlineExceeded",
    "NOT_FOUND": "NotFound",
    "ALREADY_EXISTS": "AlreadyExists",
    "PERMISSION_DENIED": "PermissionDenied",
    "RESOURCE_EXHAUSTED": "ResourceExhausted",
    "FAILED_PRECONDITION": "FailedPrecondition",
    "ABORTED": "Aborted",
    "OUT_OF_RANGE": "OutOfRange",
    "UNIMPLEMENTED": "Unimplemented",
    "INTERNAL": "Internal",
    "UNAVAILABLE": "Unavailable",
    "DATA_LOSS": "DataLoss",
    "UNAUTHENTICATED": "Unauthenticated",
}


class Called(NamedTuple):
    """The labels of a method."""

    type: str = "unary"
    service: str = SERVICE
    method: str = "Find"


LABELS = {"grpc_type": "unary", "grpc_service": SERVICE, "grpc_method": "Find"}


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return an empty registry."""
    return create_registry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    """Return metrics on the registry."""
    return Metrics(registry)


@pytest.mark.parametrize("code", grpc.StatusCode, ids=lambda code: code.name)
def test_codes_are_spelled_as_in_go(
    code: grpc.StatusCode, metrics: Metrics, registry: CollectorRegistry
) -> None:
    """Dashboards made for Go services expect this, `Canceled` with one l above all."""
    metrics.handled(Called(), code, 0.1)
    labels = {**LABELS, "grpc_code": GO_NAMES[code.name]}
    assert 1.0 == registry.get_sample_value("grpc_server_handled_total", labels)


def test_every_event_is_counted_under_its_own_name(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    """Each event as often as it was reported."""
    for times, tell in enumerate((metrics.started, metrics.received, metrics.sent), 1):
        for _ in range(times):
            tell(Called())
    metrics.handled(Called(), grpc.StatusCode.OK, 0.25)
    metrics.stopped(Called(), Cause.DEADLINE)
    metrics.freed(0.003)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert 1.0 == value("grpc_server_started_total", **LABELS)
    assert 2.0 == value("grpc_server_msg_received_total", **LABELS)
    assert 3.0 == value("grpc_server_msg_sent_total", **LABELS)
    assert 0.25 == value("grpc_server_handling_seconds_sum", **LABELS)
    assert 1.0 == value("grpc_server_handling_seconds_count", **LABELS)
    assert 1.0 == value("hashfinder_cancellations_total", method="Find", cause="deadline")
    assert 0.003 == value("hashfinder_cancel_latency_seconds_sum")
    assert 0.0 == value("hashfinder_cancel_latency_seconds_bucket", le="0.002")
    assert 1.0 == value("hashfinder_cancel_latency_seconds_bucket", le="0.005")


def test_announced_methods_have_all_their_series_from_the_start(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    """They start at zero, because rate() would miss the first event otherwise."""
    metrics.announce(SERVICE, {"Find": "unary", "FindRange": "server_stream"})
    for method, rpc_type in (("Find", "unary"), ("FindRange", "server_stream")):
        labels = {"grpc_type": rpc_type, "grpc_service": SERVICE, "grpc_method": method}
        for name in (
            "grpc_server_started_total",
            "grpc_server_msg_received_total",
            "grpc_server_msg_sent_total",
            "grpc_server_handling_seconds_count",
        ):
            assert 0.0 == registry.get_sample_value(name, labels), name
        for code in GO_NAMES.values():
            coded = {**labels, "grpc_code": code}
            assert 0.0 == registry.get_sample_value("grpc_server_handled_total", coded), code
        for cause in Cause:
            caused = {"method": method, "cause": str(cause)}
            assert 0.0 == registry.get_sample_value("hashfinder_cancellations_total", caused)


def test_causes_have_the_names_of_the_contract() -> None:
    """The labels are part of the contract."""
    expected = {
        "client_cancel",
        "deadline",
        "disconnect",
        "budget",
        "quota",
        "overload",
        "shutdown",
        "operator",
    }
    assert expected == {str(cause) for cause in Cause}


def test_gauges_are_read_at_the_scrape(metrics: Metrics, registry: CollectorRegistry) -> None:
    """They show current values; those that only grow are counters."""
    idle = Readings(
        hashes=0,
        searches_active=0,
        searches_parked=0,
        searches_queued=0,
        clients=0,
        workers=2,
        workers_busy=0,
        accept_loops_replaced=0,
        worker_deaths=0,
        draining=False,
        log_lines_dropped=0,
    )
    now = [idle]
    metrics.on_scrape(lambda: now[0])
    assert 0.0 == registry.get_sample_value("hashfinder_searches_active")
    now[0] = replace(idle, searches_active=7, hashes=70, draining=True)
    assert 7.0 == registry.get_sample_value("hashfinder_searches_active")
    assert 70.0 == registry.get_sample_value("hashfinder_hashes_total")
    assert 1.0 == registry.get_sample_value("hashfinder_draining")
    page = generate_latest(registry).decode()
    assert "# TYPE hashfinder_searches_active gauge" in page
    assert "# TYPE hashfinder_hashes_total counter" in page
    for reading in fields(Readings):
        assert f"# HELP hashfinder_{reading.name}" in page


def test_build_and_kernel_are_reported(metrics: Metrics, registry: CollectorRegistry) -> None:
    """They are labels of constants."""
    metrics.describe_build("1.2.3", "native-avx512")
    assert 1.0 == registry.get_sample_value("hashfinder_build_info", {"version": "1.2.3"})
    labels = {"backend": "native-avx512"}
    assert 1.0 == registry.get_sample_value("hashfinder_kernel_info", labels)


def test_servers_in_one_process_do_not_share_their_counts(registry: CollectorRegistry) -> None:
    """Nothing is registered globally, so that two sets of metrics can coexist."""
    one, other = Metrics(registry), Metrics(other_registry := create_registry())
    one.freed(5)
    other.freed(7)
    assert 5.0 == registry.get_sample_value("hashfinder_cancel_latency_seconds_sum")
    assert 7.0 == other_registry.get_sample_value("hashfinder_cancel_latency_seconds_sum")


def test_page_has_the_process_and_no_series_of_creation_times(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    """It has the CPU and memory of the process, and without `_created` half as many series."""
    metrics.announce(SERVICE, {"Find": "unary"})
    page = generate_latest(registry).decode()
    assert "process_cpu_seconds_total" in page
    assert "_created" not in page
