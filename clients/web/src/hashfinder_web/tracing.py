"""Spans of calls for an OTLP receiver. Only --tracing imports this: it needs the extra `tracing`.

OpenTelemetry's own variables say where spans go and how many, as for the server.
"""

import threading

import grpc
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from hashfinder_web.upstream.rpc import Trace

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


class CallSpan:
    """The span of one call."""

    def __init__(self, span: Span) -> None:
        """Take the span, which has begun: the RPCs of the task are its children until `end`."""
        self._span = span
        self._token = context.attach(set_span_in_context(span))

    def end(self, name: str, code: grpc.StatusCode, reason: str, *, gone: bool) -> None:
        """End it: with the name of the call, and the code and reason of its status."""
        context.detach(self._token)
        self._span.update_name(name)
        self._span.set_attributes(
            {"rpc.grpc.status_code": code.value[0], "hashfinder.client_gone": gone}
        )
        if reason:
            self._span.set_attribute("hashfinder.reason", reason)
        if code in _FAULTS:
            self._span.set_status(Status(StatusCode.ERROR, code.name))
        self._span.end()


class Tracing:
    """Makes the spans, children of those that clients name in ``traceparent``."""

    def __init__(self) -> None:
        """Begin; nothing is sent yet."""
        resource = Resource.create()
        if str(resource.attributes.get(SERVICE_NAME, _UNNAMED)).startswith(_UNNAMED):
            resource = resource.merge(Resource({SERVICE_NAME: "hashfinder-web"}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(self._provider)  # the client library has its spans there
        self._tracer = self._provider.get_tracer("hashfinder_web")

    def begin(self, headers: Trace, request_id: str) -> CallSpan:
        """Begin the span of a call whose client sent these headers: the parent of its RPCs' spans.

        It must be ended by the same task.
        """
        parent = TraceContextTextMapPropagator().extract(dict(headers))
        attributes = {"hashfinder.request_id": request_id}
        return CallSpan(
            self._tracer.start_span("call", parent, SpanKind.SERVER, attributes=attributes)
        )

    def close(self, seconds: float) -> None:
        """Send what is left, for at most `seconds`: the receiver may hang."""
        flushing = threading.Thread(target=self._provider.shutdown, daemon=True)
        flushing.start()
        flushing.join(seconds)
