"""The interceptor around every RPC, with fake handlers and contexts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from structlog.testing import capture_logs

from hashfinder.domain.errors import (
    AccessDeniedError,
    BudgetExhaustedError,
    Cause,
    InvalidRequestError,
    ServerDrainingError,
)
from hashfinder.transport.adapt import Rpc, RpcContext
from hashfinder.transport.interceptor import KERNEL_KEY, REQUEST_ID_KEY, RpcInterceptor
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse
from hashfinder_rules.violations import Violation
from tests.unit.virtual_time import FakeClock, run

Code = grpc.StatusCode
SERVICE = "hash_name.HashFinder"
FIND = f"/{SERVICE}/Find"
HEALTH = "/grpc.health.v1.Health/Check"
PEER = "ipv4:192.0.2.1:50000"


class Context:
    """A servicer context without a connection."""

    def __init__(
        self, *metadata: tuple[str, str | bytes], remaining: tuple[float, ...] = ()
    ) -> None:
        """Store the client's metadata, and the successive answers to `time_remaining`."""
        self.metadata = metadata
        self._remaining = list(remaining)
        self.trailer: dict[str, str | bytes] = {}
        self.written: list[object] = []
        self.aborted: Code | None = None
        self.incoming: list[Callable[[], object]] = []
        self.gone = False
        self.blocked = False

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Return the client's metadata."""
        return self.metadata

    def set_trailing_metadata(self, trailer: tuple[tuple[str, str | bytes], ...]) -> None:
        """Store the trailing metadata."""
        self.trailer = dict(trailer)

    def time_remaining(self) -> float | None:
        """Return the next of the test's values."""
        return self._remaining.pop(0) if self._remaining else None

    def peer(self) -> str:
        """Return the client's address."""
        return PEER

    def done(self) -> bool:
        """Return whether the RPC has ended for the client."""
        return self.gone

    def code(self) -> int:
        """Return the status as a number, as aio contexts do."""
        number: int = self.aborted.value[0] if self.aborted else 0
        return number

    async def read(self) -> object:
        """Return the client's next message, decoded as in gRPC; EOF after the last."""
        return self.incoming.pop(0)() if self.incoming else grpc.aio.EOF

    async def write(self, message: object) -> None:
        """Send a message."""
        if self.gone or self.blocked:
            raise grpc.aio.InternalError
        self.written.append(message)

    async def abort(
        self, code: Code, details: str, trailer: tuple[tuple[str, str | bytes], ...] = ()
    ) -> None:
        """End the RPC, as an aio context does."""
        self.aborted = code
        self.details = details
        self.trailer = dict(trailer)
        raise grpc.aio.AbortError


class Access:
    """Identifies every client by its peer; refuses all of them once an error is set."""

    def __init__(self) -> None:
        """Start without an error."""
        self.error: AccessDeniedError | None = None

    def identify(self, peer: str) -> str:
        """Return the peer."""
        return peer

    def client_of(self, _rpc: Rpc, context: RpcContext) -> str:
        """Return the peer's name, or raise the error."""
        if self.error:
            raise self.error
        return f"client of {context.peer()}"


class Recorder:
    """Records what is reported."""

    def __init__(self) -> None:
        """Start empty."""
        self.events: list[tuple[object, ...]] = []

    def started(self, rpc: Rpc) -> None:
        """Record the call."""
        self.events.append(("started", rpc.type))

    def received(self, rpc: Rpc) -> None:
        """Record the call."""
        self.events.append(("received", rpc.type))

    def sent(self, rpc: Rpc) -> None:
        """Record the call."""
        self.events.append(("sent", rpc.type))

    def handled(self, rpc: Rpc, code: Code, seconds: float) -> None:
        """Record the call."""
        assert seconds >= 0
        self.events.append(("handled", rpc.type, code))

    def denied(self, reason: str) -> None:
        """Record the call."""
        self.events.append(("denied", reason))

    def stopped(self, rpc: Rpc, cause: Cause) -> None:
        """Record the call."""
        self.events.append(("stopped", rpc.method, cause))


Handle = Callable[[HashNameRequest, Any], Any]


class Intercepted:
    """A handler behind the interceptor."""

    def __init__(self) -> None:
        """Create an interceptor that has seen no RPC."""
        self.recorder = Recorder()
        self.clock = FakeClock()
        self.access = Access()
        self.interceptor = RpcInterceptor(
            self.recorder, SERVICE, "native-test", self.access, self.clock
        )

    def handler(
        self, handle: Handle, method: str = FIND, *, streaming: bool = False
    ) -> "grpc.RpcMethodHandler[Any, Any]":
        """Return the intercepted handler."""
        make = (
            grpc.unary_stream_rpc_method_handler
            if streaming
            else grpc.unary_unary_rpc_method_handler
        )
        original = make(handle, HashNameRequest.FromString, HashNameResponse.SerializeToString)
        service, name = method[1:].split("/")
        return self.interceptor.intercept(service, name, original)

    async def call(
        self,
        handle: Handle,
        context: Context,
        method: str = FIND,
        *,
        streaming: bool = False,
        request: bytes = b"",
    ) -> object:
        """Call the intercepted handler; return once its end was reported."""
        handler = self.handler(handle, method, streaming=streaming)
        deserialize = handler.request_deserializer
        assert deserialize is not None
        behaviour: Any = handler.stream_stream if streaming else handler.stream_unary
        context.incoming.append(partial(deserialize, request))
        try:
            return await behaviour(None, context)
        except grpc.aio.AbortError:
            return None
        finally:
            await self.interceptor.searches_ended()


def answering(answer: object) -> Handle:
    """Return a handler that returns `answer`, or raises it if it is an error."""

    async def handle(_request: HashNameRequest, _context: Context) -> object:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return handle


def connected(monkeypatch: pytest.MonkeyPatch, *peers: str) -> None:
    """Make channelz list these peers."""
    monkeypatch.setattr(
        "hashfinder.transport.abandonment.connected_peers", lambda _: iter([set(peers)])
    )


def test_answer_passes_and_is_counted() -> None:
    """Start, one message each way and end are counted; the trailer names request and kernel."""
    intercepted, context, answer = Intercepted(), Context(), HashNameResponse()
    assert answer is run(intercepted.call(answering(answer), context))
    assert [
        ("started", "unary"),
        ("received", "unary"),
        ("sent", "unary"),
        ("handled", "unary", Code.OK),
    ] == intercepted.recorder.events
    assert {REQUEST_ID_KEY, KERNEL_KEY} == context.trailer.keys()
    assert "native-test" == context.trailer[KERNEL_KEY]


@pytest.mark.parametrize("generator", [False, True])
def test_stream_passes_and_is_counted_message_by_message(
    generator: bool,  # noqa: FBT001  # a case of the test
) -> None:
    """Whether the handler writes or yields."""

    async def write(_request: HashNameRequest, context: Context) -> None:
        for number in range(3):
            await context.write(number)

    async def generate(_request: HashNameRequest, _context: Context) -> AsyncIterator[int]:
        for number in range(3):
            yield number

    intercepted, context = Intercepted(), Context()
    run(intercepted.call(generate if generator else write, context, streaming=True))
    assert [0, 1, 2] == context.written
    kinds = [event[0] for event in intercepted.recorder.events]
    assert ["started", "received", "sent", "sent", "sent", "handled"] == kinds
    assert {"server_stream"} == {event[1] for event in intercepted.recorder.events}


@pytest.mark.parametrize(
    "given", ["a", "0123-abc_DEF.9", "x" * 64, "6f2b7c54-5bd3-4f9d-8f0a-000000000000"]
)
def test_valid_request_id_of_the_client_is_kept(given: str) -> None:
    """It connects the client's log with the server's."""
    intercepted, context = Intercepted(), Context((REQUEST_ID_KEY, given))
    run(intercepted.call(answering(HashNameResponse()), context))
    assert given == context.trailer[REQUEST_ID_KEY]


def test_metadata_is_not_kept_while_the_handler_runs() -> None:
    """A hostile client's takes megabytes."""
    kept: list[object] = []

    async def handle(_request: HashNameRequest, context: Any) -> HashNameResponse:  # noqa: ANN401
        kept.append(context.metadata)
        return HashNameResponse()

    run(Intercepted().call(handle, Context(("x-large", "v" * 4000))))
    assert [()] == kept


@pytest.mark.parametrize(
    "given",
    ["", "x" * 65, "a b", "a\nb", "a\n", "\x1b[31m", '{"a": 1}', "\u00e9", "\u0661", "a/b", b"abc"],
)
def test_request_id_that_could_forge_a_log_is_replaced(given: str | bytes) -> None:
    """It is replaced by a new random one."""
    intercepted = Intercepted()
    ids = set()
    for _ in range(2):
        context = Context((REQUEST_ID_KEY, given))
        run(intercepted.call(answering(HashNameResponse()), context))
        ids.add(context.trailer[REQUEST_ID_KEY])
    assert given not in ids
    assert 2 == len(ids)
    assert all(len(each) == 32 and str(each).isalnum() for each in ids)


def test_refusal_becomes_its_status_and_keeps_the_request_id() -> None:
    """It comes beside the details; an invalid request does not count as a stopped search."""
    intercepted, context = Intercepted(), Context((REQUEST_ID_KEY, "mine"))
    error = InvalidRequestError([Violation("desired_name", "is bad")])
    with capture_logs() as logs:
        run(intercepted.call(answering(error), context))
    assert Code.INVALID_ARGUMENT is context.aborted
    assert {REQUEST_ID_KEY, KERNEL_KEY, "grpc-status-details-bin"} == context.trailer.keys()
    assert "mine" == context.trailer[REQUEST_ID_KEY]
    assert [("handled", "unary", Code.INVALID_ARGUMENT)] == intercepted.recorder.events[2:]
    assert ["info"] == [entry["log_level"] for entry in logs]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BudgetExhaustedError(5), Code.RESOURCE_EXHAUSTED),
        (ServerDrainingError("going", 1.0), Code.UNAVAILABLE),
    ],
)
def test_stopped_search_is_counted_with_its_cause(
    error: BudgetExhaustedError | ServerDrainingError, code: Code
) -> None:
    """Exactly once."""
    intercepted, context = Intercepted(), Context()
    run(intercepted.call(answering(error), context))
    assert code is context.aborted
    assert [
        ("handled", "unary", code),
        ("stopped", "Find", error.cause),
    ] == intercepted.recorder.events[2:]


def test_internal_error_is_logged_with_its_trace_and_sent_without() -> None:
    """The request id appears in both."""
    intercepted, context = Intercepted(), Context((REQUEST_ID_KEY, "mine"))
    fault = RuntimeError("the secret text")
    with capture_logs() as logs:
        run(intercepted.call(answering(fault), context))
    assert Code.INTERNAL is context.aborted
    assert "internal error; request id mine" == context.details
    assert "secret" not in repr(context.trailer)
    (entry,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert fault is entry["exc_info"]
    assert "mine" == entry["request_id"]
    assert [("handled", "unary", Code.INTERNAL)] == intercepted.recorder.events[2:]


def test_error_that_fits_no_status_is_an_internal_error() -> None:
    """The client gets no details of the error."""
    intercepted, context = Intercepted(), Context()
    error = ServerDrainingError("secret", float("nan"))
    with capture_logs() as logs:
        run(intercepted.call(answering(error), context))
    assert Code.INTERNAL is context.aborted
    assert "secret" not in context.details
    assert "error" in [entry["log_level"] for entry in logs]


def test_undecodable_request_is_invalid() -> None:
    """It does not reach the handler, and is not counted as a received message."""
    intercepted, context = Intercepted(), Context()
    handle = answering(AssertionError("the handler was called"))
    run(intercepted.call(handle, context, request=b"\xff\xff"))
    assert Code.INVALID_ARGUMENT is context.aborted
    packed = context.trailer["grpc-status-details-bin"]
    assert isinstance(packed, bytes)
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(packed).details[0].Unpack(info)
    assert "UNDECODABLE_REQUEST" == info.reason


def test_abort_of_the_handler_itself_passes_with_its_code() -> None:
    """The health service refuses unknown services this way."""

    async def handle(_request: HashNameRequest, context: Context) -> None:
        await context.abort(Code.NOT_FOUND, "no such service")

    intercepted, context = Intercepted(), Context()
    run(intercepted.call(handle, context, HEALTH))
    assert Code.NOT_FOUND is context.aborted
    assert "no such service" == context.details
    assert ("handled", "unary", Code.NOT_FOUND) == intercepted.recorder.events[-1]


async def cancelled(intercepted: Intercepted, work: Awaitable[object]) -> None:
    """Check that a call ends as cancelled."""
    with pytest.raises(asyncio.CancelledError):
        await work
    await intercepted.interceptor.searches_ended()


@pytest.mark.parametrize(
    ("seconds", "peers", "code", "cause"),
    [
        (None, (PEER,), Code.CANCELLED, Cause.CLIENT_CANCEL),
        (None, (), Code.CANCELLED, Cause.DISCONNECT),
        (5.0, (PEER,), Code.DEADLINE_EXCEEDED, Cause.DEADLINE),
        (5.0, (), Code.DEADLINE_EXCEEDED, Cause.DEADLINE),
        (6.0, (PEER,), Code.CANCELLED, Cause.CLIENT_CANCEL),
        (6.0, (), Code.CANCELLED, Cause.DISCONNECT),
    ],
)
@pytest.mark.parametrize("step", [-3600.0, 0.0, 3600.0])
def test_cause_of_a_cancelled_search_is_determined(
    monkeypatch: pytest.MonkeyPatch,
    seconds: float | None,
    peers: tuple[str, ...],
    code: Code,
    cause: Cause,
    step: float,
) -> None:
    """The deadline and the connection decide, after 4.99 s, even if the wall clock is stepped.

    gRPC's remaining time depends on the wall clock, so it is read once, at the start.
    """
    connected(monkeypatch, *peers)
    intercepted = Intercepted()

    async def handle(_request: HashNameRequest, _context: object) -> None:
        intercepted.clock.now += 4.99
        raise asyncio.CancelledError

    remaining = () if seconds is None else (seconds, seconds - 4.99 - step)
    context = Context(remaining=remaining)
    with capture_logs() as logs:
        run(cancelled(intercepted, intercepted.call(handle, context)))
    assert [("handled", "unary", code), ("stopped", "Find", cause)] == (
        intercepted.recorder.events[2:]
    )
    assert [(code.name, cause, PEER)] == [(e["code"], e["cause"], e["peer"]) for e in logs]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), grpc.aio.InternalError()])
def test_reason_that_came_before_the_cancellation_counts(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """A search that the drain has stopped is not counted as a cancel."""
    connected(monkeypatch, PEER)

    async def handle(_request: HashNameRequest, context: Any) -> None:  # noqa: ANN401
        context.outcome.record(ServerDrainingError("going", 1.0))
        raise error

    intercepted = Intercepted()
    run(cancelled(intercepted, intercepted.call(handle, Context(remaining=(5.0, 0.0)))))
    assert ("stopped", "Find", Cause.SHUTDOWN) == intercepted.recorder.events[-1]


def test_rpc_without_a_message_is_refused() -> None:
    """Whether its client closes its side, or is silent for half a minute."""
    for wait in (0.0, 3600.0):
        intercepted, context = Intercepted(), Context()

        async def read(wait: float = wait) -> object:
            await asyncio.sleep(wait)
            return grpc.aio.EOF

        context.read = read  # type: ignore[method-assign]
        run(intercepted.call(answering(AssertionError("called")), context))
        assert Code.INVALID_ARGUMENT is context.aborted
        assert [
            ("started", "unary"),
            ("handled", "unary", Code.INVALID_ARGUMENT),
        ] == intercepted.recorder.events


@pytest.mark.parametrize(
    ("peers", "cause"), [((PEER,), Cause.CLIENT_CANCEL), ((), Cause.DISCONNECT)]
)
@pytest.mark.parametrize("failed", ["gone", "blocked"])
def test_failed_write_to_a_lost_client_is_a_cancellation(
    monkeypatch: pytest.MonkeyPatch, peers: tuple[str, ...], cause: Cause, failed: str
) -> None:
    """GRPC raises errors of its own, sometimes before its status; they are not logged as faults."""
    connected(monkeypatch, *peers)

    async def handle(_request: HashNameRequest, context: Any) -> None:  # noqa: ANN401
        await context.write(1)
        setattr(grpc_context, failed, True)
        await context.write(2)

    intercepted, grpc_context = Intercepted(), Context()
    with capture_logs() as logs:
        call = intercepted.call(handle, grpc_context, streaming=True)
        run(cancelled(intercepted, call))
    assert [1] == grpc_context.written
    assert grpc_context.aborted is None
    assert [
        ("sent", "server_stream"),
        ("handled", "server_stream", Code.CANCELLED),
        ("stopped", "Find", cause),
    ] == intercepted.recorder.events[2:]
    assert ["info"] == [entry["log_level"] for entry in logs]


def test_search_that_ends_after_its_client_left_sends_no_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cause of its end is counted nevertheless."""
    connected(monkeypatch, PEER)
    intercepted, context = Intercepted(), Context()
    context.gone = True
    run(cancelled(intercepted, intercepted.call(answering(BudgetExhaustedError(5)), context)))
    assert context.aborted is None
    assert [
        ("handled", "unary", Code.CANCELLED),
        ("stopped", "Find", Cause.BUDGET),
    ] == intercepted.recorder.events[2:]


def test_cancelled_health_check_has_no_cause() -> None:
    """Only searches have causes; other RPCs are logged at debug level."""
    intercepted = Intercepted()
    call = intercepted.call(answering(asyncio.CancelledError()), Context(), HEALTH)
    with capture_logs() as logs:
        run(cancelled(intercepted, call))
    assert [("handled", "unary", Code.CANCELLED)] == intercepted.recorder.events[2:]
    assert ["debug"] == [entry["log_level"] for entry in logs]


def test_searches_have_ended_when_the_last_one_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A drain waits for the causes of cancelled searches, but not for health checks."""
    connected(monkeypatch, PEER)

    async def scenario() -> None:
        intercepted = Intercepted()
        gates = {name: asyncio.Event() for name in ("watch", "one", "two")}

        async def wait(request: HashNameRequest, _context: Context) -> HashNameResponse:
            await gates[request.desired_name].wait()
            return HashNameResponse()

        async def begin(name: str, method: str) -> asyncio.Task[object]:
            handler = intercepted.handler(wait, method)
            behaviour: Any = handler.stream_unary
            context = Context()
            context.incoming.append(lambda: HashNameRequest(desired_name=name))
            task: asyncio.Task[object] = asyncio.create_task(behaviour(None, context))
            await asyncio.sleep(0)
            return task

        watch = await begin("watch", HEALTH)
        await intercepted.interceptor.searches_ended()  # returns at once
        one, two = await begin("one", FIND), await begin("two", FIND)
        ended = asyncio.create_task(intercepted.interceptor.searches_ended())
        gates["one"].set()
        await one
        assert not ended.done()
        two.cancel()
        await asyncio.gather(two, return_exceptions=True)
        assert not ended.done()
        await ended
        assert ("stopped", "Find", Cause.CLIENT_CANCEL) == intercepted.recorder.events[-1]
        gates["watch"].set()
        await watch

    run(scenario())
