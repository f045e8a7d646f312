"""Spans of RPCs for an OTLP receiver. Only --tracing imports this: it needs the extra `tracing`.

OpenTelemetry's own variables say where spans go and how many: OTEL_EXPORTER_OTLP_ENDPOINT,
OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_BSP_SCHEDULE_DELAY, OTEL_SDK_DISABLED and the others.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from hashfinder.observability.rpc_metrics import RpcLabels

_EndSpan: TypeAlias = Callable[[grpc.StatusCode, float, Mapping[str, str | int | float]], None]
_CONTEXT = {"traceparent", "tracestate"}
_UNNAMED = "unknown_service"
"""How the SDK calls a service that its variables do not name."""
_FAULTS = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
"""Codes that OpenTelemetry's conventions count as errors of a server."""


class Tracing:
    """Makes a span of each RPC, a child of the one that its client names in ``traceparent``.

    Spans go out in batches, on a thread of its own. Where the receiver is slow they are dropped.
    """

    def __init__(self, kernel: str) -> None:
        """Take the kernel's name; nothing is sent yet."""
        self._kernel = kernel
        resource = Resource.create()
        if str(resource.attributes.get(SERVICE_NAME, _UNNAMED)).startswith(_UNNAMED):
            resource = resource.merge(Resource({SERVICE_NAME: "hashfinder"}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("hashfinder")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, rpc: RpcLabels, metadata: Iterable[tuple[str, str | bytes]]) -> _EndSpan:
        """Begin the span of an RPC with this metadata.

        Returns:
            What ends it: with the code, the seconds that the RPC took, and attributes.
        """
        carrier = {key: value for key, value in metadata if key in _CONTEXT}
        began = time.time_ns()
        span = self._tracer.start_span(
            f"{rpc.service}/{rpc.method}",
            context=self._propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={
                "rpc.system": "grpc",
                "rpc.service": rpc.service,
                "rpc.method": rpc.method,
                "hashfinder.kernel": self._kernel,
            },
            start_time=began,
        )

        def end(
            code: grpc.StatusCode, seconds: float, attributes: Mapping[str, str | int | float]
        ) -> None:
            span.set_attributes({"rpc.grpc.status_code": code.value[0], **attributes})
            if code in _FAULTS:
                span.set_status(Status(StatusCode.ERROR, code.name))
            span.end(began + int(seconds * 1e9))

        return end

    def close(self, seconds: float) -> None:
        """Send what is left, for at most `seconds`: the receiver may hang."""
        flushing = threading.Thread(target=self._provider.shutdown, daemon=True)
        flushing.start()
        flushing.join(seconds)
