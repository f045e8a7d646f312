"""Spans of the RPCs of searches, in a program that uses OpenTelemetry.

Such a program has imported ``opentelemetry.trace`` and decides where spans go. In any other nothing
of it is imported, and nothing is done.
"""

import sys
from typing import TYPE_CHECKING, Any, Self

import grpc

from hashfinder_client.status import RpcStatus

if TYPE_CHECKING:
    from hashfinder_client.token_file import Metadata


class RpcSpan:
    """The span of one RPC; without OpenTelemetry, nothing."""

    def __init__(self, span: Any, metadata: "Metadata") -> None:  # noqa: ANN401  # not imported here
        """Take the span, None for none, and the metadata that lead to it."""
        self._span = span
        self.metadata = metadata
        """What the RPC takes along, so that the server's span is a child of this one."""

    @classmethod
    def begin(cls, method: str) -> Self:
        """Begin the span of an RPC of ``hash_name.HashFinder``, in the current trace."""
        trace = sys.modules.get("opentelemetry.trace")
        if trace is None:
            return cls(None, ())
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415  # where it is used
            TraceContextTextMapPropagator,
        )

        span = trace.get_tracer("hashfinder_client").start_span(
            f"hash_name.HashFinder/{method}",
            kind=trace.SpanKind.CLIENT,
            attributes={
                "rpc.system": "grpc",
                "rpc.service": "hash_name.HashFinder",
                "rpc.method": method,
            },
        )
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, trace.set_span_in_context(span))
        return cls(span, tuple(carrier.items()))

    def end(self, status: RpcStatus) -> None:
        """End it with the status of the RPC. May be repeated: the first counts."""
        if self._span is None:
            return
        known = {"reason": status.details.reason, "kernel": status.kernel}
        self._span.set_attribute("rpc.grpc.status_code", status.code.value[0])
        self._span.set_attributes(
            {f"hashfinder.{name}": value for name, value in known.items() if value}
        )
        if status.code is not grpc.StatusCode.OK:
            trace = sys.modules["opentelemetry.trace"]
            self._span.set_status(trace.Status(trace.StatusCode.ERROR, status.code.name))
        self._span.end()
