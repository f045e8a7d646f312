"""Prometheus metrics on a registry of our own: all of them. Those of RPCs are `RpcMetrics`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    Metric,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from hashfinder.domain.errors import Cause
from hashfinder.observability.rpc_metrics import RpcLabels, RpcMetrics

_LATENCY_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)


def create_registry() -> CollectorRegistry:
    """Return an empty registry. Metrics of this process have no ``_created`` series from now on."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    return CollectorRegistry()


@dataclass(frozen=True, slots=True)
class Readings:
    """What a scrape reads, all at once; each field is the metric ``hashfinder_<name>``."""

    hashes: int
    searches_active: int
    searches_parked: int
    searches_queued: int
    clients: int
    workers: int
    workers_busy: int
    accept_loops_replaced: int
    worker_deaths: int
    draining: bool
    log_lines_dropped: int


class TlsReadings(Protocol):
    """The TLS certificate in use, and the changes of its files."""

    @property
    def expires(self) -> float:
        """When the certificate expires, in seconds since 1970."""

    @property
    def reloads(self) -> int:
        """How many changed sets of files were taken."""

    @property
    def failed_reloads(self) -> int:
        """How many were refused."""


_TEXTS = {
    "hashes": "Positions scanned, of all searches.",
    "searches_active": "Searches under way.",
    "searches_parked": "Searches whose client does not read.",
    "searches_queued": "Searches that wait for a slot.",
    "clients": "Clients with a search under way.",
    "workers": "Threads that search, those that have died left out.",
    "workers_busy": "Threads that are scanning.",
    "accept_loops_replaced": "Times that gRPC's accept loop ended by itself and was replaced.",
    "worker_deaths": "Threads that died: the server drains after the first.",
    "draining": "1 while the server drains.",
    "log_lines_dropped": "Log lines lost: stderr was too slow, or could not be written.",
}
_GROWING = {"hashes", "accept_loops_replaced", "worker_deaths", "log_lines_dropped"}
"""Readings that only grow: counters. The others are gauges."""


class _ReadingsCollector(Collector):
    def __init__(self, read: Callable[[], Readings]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        readings = self._read()
        for name, text in _TEXTS.items():
            family = CounterMetricFamily if name in _GROWING else GaugeMetricFamily
            yield family(f"hashfinder_{name}", text, getattr(readings, name))


class _TlsCollector(Collector):
    def __init__(self, readings: TlsReadings) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "hashfinder_tls_certificate_expiry_timestamp_seconds",
            "When the server's certificate expires. Only with TLS.",
            self._readings.expires,
        )
        reloads = CounterMetricFamily(
            "hashfinder_tls_reloads",
            "Changed certificate files that were loaded or refused. Only with TLS.",
            labels=("result",),
        )
        reloads.add_metric(("success",), self._readings.reloads)
        reloads.add_metric(("failure",), self._readings.failed_reloads)
        yield reloads


class Metrics:
    """Counts what transport and scheduler report: RPCs on one thread, the rest on any."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register all metrics."""
        self._registry = registry
        ProcessCollector(registry=registry)
        self._rpcs = rpcs = RpcMetrics()
        registry.register(rpcs)
        # What every RPC calls, without a step between.
        self.started, self.received, self.sent = rpcs.started, rpcs.received, rpcs.sent
        self.handled = rpcs.handled
        self._cancellations = Counter(
            "hashfinder_cancellations",
            "Searches stopped before they were done, or refused, by cause.",
            ("method", "cause"),
            registry=registry,
        )
        self._denied = Counter(
            "hashfinder_access_denied",
            "RPCs refused for their client's identity, by the reason in the status.",
            ("reason",),
            registry=registry,
        )
        self._reloads = Counter(
            "hashfinder_access_reloads",
            "Changed token or policy files that were loaded or refused.",
            ("file", "result"),
            registry=registry,
        )
        self._cancel_latency = Histogram(
            "hashfinder_cancel_latency_seconds",
            "From the moment a search is asked to stop until it uses no CPU.",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )

    def announce(self, service: str, methods: dict[str, str]) -> None:
        """Make the series of a service's methods exist from the start: rates see the first event.

        Args:
            service: the service's full name.
            methods: the RPC type by method.
        """
        self._rpcs.announce(service, methods)
        for method, cause in product(methods, Cause):
            self._cancellations.labels(method, cause)

    def announce_access(self, reasons: Iterable[str], files: Iterable[str]) -> None:
        """Make the series of these reasons for a refusal, and of these files, exist."""
        for reason in reasons:
            self._denied.labels(reason)
        for file, result in product(files, ("success", "failure")):
            self._reloads.labels(file, result)

    def describe_build(self, version: str, backend: str) -> None:
        """Tell which build and which kernel run."""
        Info("hashfinder_build", "The build that runs.", registry=self._registry).info(
            {"version": version}
        )
        Info("hashfinder_kernel", "The kernel in use.", registry=self._registry).info(
            {"backend": backend}
        )

    def on_scrape(self, read: Callable[[], Readings]) -> None:
        """Register metrics that are read, all at once, on every scrape."""
        self._registry.register(_ReadingsCollector(read))

    def describe_tls(self, readings: TlsReadings) -> None:
        """Register the metrics of TLS, read on every scrape."""
        self._registry.register(_TlsCollector(readings))

    def stopped(self, rpc: RpcLabels, cause: Cause) -> None:
        """Count a stopped search."""
        self._cancellations.labels(rpc.method, cause).inc()

    def denied(self, reason: str) -> None:
        """Count an RPC that was refused because of its client's identity."""
        self._denied.labels(reason).inc()

    def reloaded(self, file: str, went_well: bool) -> None:  # noqa: FBT001  # an answer
        """Count a changed `file` that was taken, or refused."""
        self._reloads.labels(file, "success" if went_well else "failure").inc()

    def freed(self, seconds: float) -> None:
        """Observe how long a stopped search kept running."""
        self._cancel_latency.observe(seconds)
