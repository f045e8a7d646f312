"""The ``grpc_server_*`` metrics: plain numbers, of which series are made when they are read.

They have the names and labels of go-grpc-middleware, with codes in Go's spelling, so that
dashboards made for Go services work. Each RPC counts five times: the Prometheus library's own
counters, with their locks and labels, took 9 us for that.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import Protocol

import grpc
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

_LABELS = ("grpc_type", "grpc_service", "grpc_method")
_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200)
_BOUNDS = (*(str(float(bound)) for bound in _BUCKETS), "+Inf")
_GO_NAMES = {"OK": "OK", "CANCELLED": "Canceled"}


class RpcLabels(Protocol):
    """What names an RPC. Hashable."""

    @property
    def type(self) -> str:
        """``unary``, ``server_stream`` or ``bidi_stream``."""

    @property
    def service(self) -> str:
        """The full name of its service."""

    @property
    def method(self) -> str:
        """Its method."""


class _Counts:
    """What is counted of the RPCs of one method."""

    def __init__(self) -> None:
        self.started = 0
        self.received = 0
        self.sent = 0
        self.handled: Counter[grpc.StatusCode] = Counter()
        self.seconds = 0.0
        self.durations = [0] * len(_BOUNDS)  # how many RPCs took so long, by the bucket


class RpcMetrics(Collector):
    """Counts RPCs, on one thread; read from any."""

    def __init__(self) -> None:
        """Begin with no series."""
        self._series: dict[tuple[str, str, str], _Counts] = {}  # by their labels
        self._counts: dict[RpcLabels, _Counts] = {}  # the same

    def announce(self, service: str, methods: dict[str, str]) -> None:
        """Make the series of a service's methods exist. See `Metrics.announce`."""
        for method, rpc_type in methods.items():
            counts = self._series.setdefault((rpc_type, service, method), _Counts())
            counts.handled.update(dict.fromkeys(grpc.StatusCode, 0))

    def started(self, rpc: RpcLabels) -> None:
        """Count an RPC's start."""
        self._of(rpc).started += 1

    def received(self, rpc: RpcLabels) -> None:
        """Count a message from the client."""
        self._of(rpc).received += 1

    def sent(self, rpc: RpcLabels) -> None:
        """Count a message to the client."""
        self._of(rpc).sent += 1

    def handled(self, rpc: RpcLabels, code: grpc.StatusCode, seconds: float) -> None:
        """Count an RPC's end with `code`, `seconds` after its start."""
        counts = self._of(rpc)
        counts.handled[code] += 1
        counts.seconds += seconds
        counts.durations[bisect_left(_BUCKETS, seconds)] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield the series of all RPCs."""
        series = list(self._series.items())
        for name, text in (
            ("started", "RPCs started on the server."),
            ("msg_received", "Messages received by the server."),
            ("msg_sent", "Messages sent by the server."),
        ):
            messages = CounterMetricFamily(f"grpc_server_{name}", text, labels=_LABELS)
            for labels, counts in series:
                messages.add_metric(labels, getattr(counts, name.removeprefix("msg_")))
            yield messages
        handled = CounterMetricFamily(
            "grpc_server_handled",
            "RPCs completed on the server, whatever their outcome.",
            labels=(*_LABELS, "grpc_code"),
        )
        seconds = HistogramMetricFamily(
            "grpc_server_handling_seconds",
            "How long the server took for an RPC, from its start to its end.",
            labels=_LABELS,
        )
        for labels, counts in series:
            for code, number in list(counts.handled.items()):
                handled.add_metric((*labels, _go_name(code)), number)
            buckets = zip(_BOUNDS, accumulate(counts.durations), strict=True)
            seconds.add_metric(labels, list(buckets), counts.seconds)
        yield handled
        yield seconds

    def _of(self, rpc: RpcLabels) -> _Counts:
        counts = self._counts.get(rpc)
        if counts is None:
            labels = (rpc.type, rpc.service, rpc.method)
            counts = self._counts[rpc] = self._series.setdefault(labels, _Counts())
        return counts


def _go_name(code: grpc.StatusCode) -> str:
    """Return a status code as Go spells it: ``ResourceExhausted``."""
    return _GO_NAMES.get(code.name) or code.name.title().replace("_", "")
