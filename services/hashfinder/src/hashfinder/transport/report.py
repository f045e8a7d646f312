"""Report every RPC to the metrics, the log and the trace."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import grpc
import structlog

from hashfinder.domain.errors import Cause
from hashfinder.domain.outcome import Outcome
from hashfinder.transport.adapt import Metadata, Rpc
from hashfinder.transport.classify import Deadline, Ending

EndSpan: TypeAlias = Callable[[grpc.StatusCode, float, Mapping[str, str | int | float]], None]
"""Ends the span of an RPC: with its code, the seconds that it took, and attributes."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class RpcReporter(Protocol):
    """Gets the events of RPCs, on the event loop."""

    def started(self, rpc: Rpc) -> None:
        """An RPC began."""

    def received(self, rpc: Rpc) -> None:
        """A message came in."""

    def sent(self, rpc: Rpc) -> None:
        """A message went out."""

    def handled(self, rpc: Rpc, code: grpc.StatusCode, seconds: float) -> None:
        """An RPC ended with `code`, after `seconds`."""

    def denied(self, reason: str) -> None:
        """A client was refused because of its identity."""

    def stopped(self, rpc: Rpc, cause: Cause) -> None:
        """An RPC's search was stopped, or refused, for `cause`. At most once for each RPC."""


class RpcTracer(Protocol):
    """Makes a span of each RPC that searches."""

    def begin(self, rpc: Rpc, metadata: Iterable[tuple[str, str | bytes]]) -> EndSpan:
        """Begin the span of an RPC with this metadata."""


@dataclass(slots=True)
class Call:
    """One RPC under way."""

    rpc: Rpc
    request_id: str
    peer: str
    client: str
    """Whom it counts for."""
    deadline: Deadline
    seconds: float = 0.0
    """How long it took, once it has ended."""
    reason: str | None = None
    """The reason in its status, if it has one."""
    end_span: EndSpan | None = None
    """None where it is not traced."""


class Reports:
    """Reports RPCs from their start to their end, and knows whether searches are under way."""

    def __init__(
        self, reporter: RpcReporter, searching: str, tracer: RpcTracer | None = None
    ) -> None:
        """Take where the events and the spans go, and the service whose RPCs are searches."""
        self._reporter = reporter
        # What every RPC calls, without a step between.
        self.received, self.sent = reporter.received, reporter.sent
        self._tracer = tracer
        self._searching = searching
        self._searches = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def searches_ended(self) -> None:
        """Return when every search that began has been reported."""
        await self._idle.wait()

    def started(self, rpc: Rpc) -> None:
        """Report an RPC's start."""
        self._reporter.started(rpc)
        self._count(rpc, 1)

    def trace(self, call: Call, metadata: Metadata) -> None:
        """Begin the span of a search's RPC with this metadata, where spans are made."""
        if self._tracer is not None and call.rpc.service == self._searching:
            call.end_span = self._tracer.begin(call.rpc, metadata)

    def denied(self, reason: str) -> None:
        """Report a client that was refused because of its identity."""
        self._reporter.denied(reason)

    def ended(self, call: Call, ending: Ending, outcome: Outcome) -> None:
        """Report an RPC's end: its code, its search's cause, its span, a line in the log."""
        is_search = call.rpc.service == self._searching
        cause = ending.cause if is_search else None
        self._count(call.rpc, -1)
        self._reporter.handled(call.rpc, ending.code, call.seconds)
        if cause is not None:
            self._reporter.stopped(call.rpc, cause)
        if call.end_span is not None:
            call.end_span(ending.code, call.seconds, _attributes(call, cause, outcome))
        (_log.info if is_search else _log.debug)(
            "rpc ended",
            method=call.rpc.method,
            code=ending.code.name,
            cause=cause,
            reason=call.reason,
            seconds=round(call.seconds, 6),
            client=call.client,
            peer=call.peer,
            request_id=call.request_id,
        )

    def _count(self, rpc: Rpc, change: int) -> None:
        if rpc.service == self._searching:
            self._searches += change
            if self._searches:
                self._idle.clear()
            else:
                self._idle.set()


def _attributes(
    call: Call, cause: Cause | None, outcome: Outcome
) -> Mapping[str, str | int | float]:
    """Return what a span says of a search, what is not known left out."""
    known = {
        "cause": cause and cause.value,
        "reason": call.reason,
        "hashes": outcome.hashes,
        "queue_seconds": outcome.queue_seconds,
        "request_id": call.request_id,
    }
    return {f"hashfinder.{name}": value for name, value in known.items() if value is not None}
