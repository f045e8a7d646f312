"""A receiver of OTLP that decodes its spans, and receivers that refuse or never answer."""

import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc

from tests.integration.server_process import eventually

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class ReceivedSpan(NamedTuple):
    """The decoded values of a span."""

    service: str
    name: str
    trace: str
    span: str
    parent: str
    seconds: float
    is_error: bool
    attributes: Mapping[str, Any]


class Receiver(grpc.GenericRpcHandler):
    """Stores the spans that it receives."""

    def __init__(self) -> None:
        """Start without spans."""
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415

        self._messages: Any = trace_service_pb2
        self._lock = threading.Lock()
        self._spans: list[ReceivedSpan] = []
        self.endpoint = ""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401
        """Return the handler of a batch."""
        assert _EXPORT == handler_call_details.method
        return grpc.unary_unary_rpc_method_handler(
            self._export,
            request_deserializer=self._messages.ExportTraceServiceRequest.FromString,
            response_serializer=self._messages.ExportTraceServiceResponse.SerializeToString,
        )

    @property
    def count(self) -> int:
        """How many spans it has received."""
        with self._lock:
            return len(self._spans)

    def wait_for(self, *names: str, trace: str = "", seconds: float = 20) -> list[ReceivedSpan]:
        """Return the first span of each name, from one trace if given."""

        def found() -> dict[str, ReceivedSpan]:
            with self._lock:
                spans = [each for each in self._spans if trace in {"", each.trace}]
            return {f"{each.service} {each.name}": each for each in reversed(spans)}

        eventually(lambda: found().keys() >= set(names), f"spans {names}", seconds)
        by_name = found()
        return [by_name[name] for name in names]

    def _export(self, request: Any, _context: grpc.ServicerContext) -> Any:  # noqa: ANN401
        with self._lock:
            for resource in request.resource_spans:
                service = _values(resource.resource.attributes)["service.name"]
                for scope in resource.scope_spans:
                    self._spans += [_received(service, span) for span in scope.spans]
        return self._messages.ExportTraceServiceResponse()


def _received(service: str, span: Any) -> ReceivedSpan:  # noqa: ANN401
    return ReceivedSpan(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        span.status.code == span.status.STATUS_CODE_ERROR,
        _values(span.attributes),
    )


def _values(attributes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver()
    server = grpc.server(ThreadPoolExecutor(4), handlers=[receiver])
    port = server.add_insecure_port("127.0.0.1:0")
    receiver.endpoint = f"http://127.0.0.1:{port}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(None).wait()


@contextmanager
def silent_receiver() -> Iterator[str]:
    """Yield the endpoint of a receiver that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
