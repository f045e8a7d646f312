"""The gateway's own metrics, on a registry of their own."""

from collections.abc import Callable

import grpc
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from hashfinder_web.connect.codes import name_of

_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200)
_LABELS = ("protocol", "method")


class Metrics:
    """Counts the calls."""

    def __init__(self) -> None:
        """Register all metrics."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        ProcessCollector(namespace="hashfinder_web", registry=registry)
        self._calls = Counter(
            "hashfinder_web_calls",
            "Calls that ended, by protocol, method and status.",
            (*_LABELS, "code"),
            registry=registry,
        )
        self._gone = Counter(
            "hashfinder_web_clients_gone",
            "Calls that ended since their client was gone.",
            _LABELS,
            registry=registry,
        )
        self._seconds = Histogram(
            "hashfinder_web_call_seconds",
            "How long calls took.",
            _LABELS,
            buckets=_BUCKETS,
            registry=registry,
        )

    def announce(self, protocol: str, methods: list[str]) -> None:
        """Make the series of a protocol's methods exist from the start."""
        for method in methods:
            self._gone.labels(protocol, method)
            self._seconds.labels(protocol, method)
            for code in grpc.StatusCode:
                self._calls.labels(protocol, method, name_of(code))

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Register a gauge that is read on every scrape."""
        Gauge(f"hashfinder_web_{name}", text, registry=self._registry).set_function(read)

    def ended(
        self, protocol: str, method: str, code: grpc.StatusCode, seconds: float, *, gone: bool
    ) -> None:
        """Count the end of a call."""
        self._calls.labels(protocol, method, name_of(code)).inc()
        self._seconds.labels(protocol, method).observe(seconds)
        if gone:
            self._gone.labels(protocol, method).inc()

    def exposition(self) -> str:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self._registry).decode()
