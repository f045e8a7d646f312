"""What happens around every RPC, with handlers and contexts of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from types import SimpleNamespace
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
    """A servicer context without a wire."""

    def __init__(
        self, *metadata: tuple[str, str | bytes], remaining: tuple[float, ...] = ()
    ) -> None:
        """Take the client's metadata, and what is left to the deadline each time it is asked."""
        self._metadata = metadata
        self._remaining = list(remaining)
        self.trailer: dict[str, str | bytes] = {}
        self.written: list[object] = []
        self.aborted: Code | None = None
        self.incoming: list[Callable[[], object]] = []
        self.gone = False
        self.blocked = False

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Return what the client sent."""
        return self._metadata

    def set_trailing_metadata(self, trailer: tuple[tuple[str, str | bytes], ...]) -> None:
        """Take what goes with the status."""
        self.trailer = dict(trailer)

    def time_remaining(self) -> float | None:
        """Return the next of the test's values."""
        return self._remaining.pop(0) if self._remaining else None

    def peer(self) -> str:
        """Return the client's address."""
        return PEER

    def done(self) -> bool:
        """Say whether anyone still listens."""
        return self.gone

    def code(self) -> int:
        """Return the status as a number, as aio contexts do."""
        number: int = self.aborted.value[0] if self.aborted else 0
        return number

    async def read(self) -> object:
        """Return the next of the client's messages, decoded as gRPC does; EOF after the last."""
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
    """Knows every client by its peer, and refuses them all once there is an error."""

    def __init__(self) -> None:
        """Begin with nothing against anyone."""
        self.error: AccessDeniedError | None = None

    def identify(self, peer: str) -> str:
        """Return the peer."""
        return peer

    def client_of(self, _rpc: Rpc, context: RpcContext) -> str:
        """Return the name of the peer, or raise."""
        if self.error:
            raise self.error
        return f"client of {context.peer()}"


class Recorder:
    """Records what is reported."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.events: list[tuple[object, ...]] = []

    def started(self, rpc: Rpc) -> None:
        """Note."""
        self.events.append(("started", rpc.type))

    def received(self, rpc: Rpc) -> None:
        """Note."""
        self.events.append(("received", rpc.type))

    def sent(self, rpc: Rpc) -> None:
        """Note."""
        self.events.append(("sent", rpc.type))

    def handled(self, rpc: Rpc, code: Code, seconds: float) -> None:
        """Note."""
        assert seconds >= 0
        self.events.append(("handled", rpc.type, code))

    def denied(self, reason: str) -> None:
        """Note."""
        self.events.append(("denied", reason))

    def stopped(self, rpc: Rpc, cause: Cause) -> None:
        """Note."""
        self.events.append(("stopped", rpc.method, cause))


Handle = Callable[[HashNameRequest, Any], Any]


class Surrounded:
    """A handler in the interceptor's hands."""

    def __init__(self) -> None:
        """Begin with an interceptor that nothing has passed."""
        self.recorder = Recorder()
        self.clock = FakeClock()
        self.access = Access()
        self.interceptor = RpcInterceptor(
            self.recorder, SERVICE, "native-test", self.access, self.clock
        )

    async def handler(
        self, handle: Handle, method: str = FIND, *, streaming: bool = False
    ) -> "grpc.RpcMethodHandler[Any, Any]":
        """Return the surrounded handler."""
        make = (
            grpc.unary_stream_rpc_method_handler
            if streaming
            else grpc.unary_unary_rpc_method_handler
        )
        original = make(handle, HashNameRequest.FromString, HashNameResponse.SerializeToString)

        async def find(_details: object) -> Any:  # noqa: ANN401  # as gRPC types it
            return original

        details: Any = SimpleNamespace(method=method, invocation_metadata=())
        surrounded = await self.interceptor.intercept_service(find, details)
        assert surrounded is not None
        return surrounded

    async def call(
        self,
        handle: Handle,
        context: Context,
        method: str = FIND,
        *,
        streaming: bool = False,
        request: bytes = b"",
    ) -> object:
        """Call the surrounded handler; its end has been reported when this returns."""
        handler = await self.handler(handle, method, streaming=streaming)
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
    """Return a handler that answers, or raises where the answer is an error."""

    async def handle(_request: HashNameRequest, _context: Context) -> object:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return handle


def connected(monkeypatch: pytest.MonkeyPatch, *peers: str) -> None:
    """Let channelz list these connections."""
    monkeypatch.setattr(
        "hashfinder.transport.abandonment.connected_peers", lambda _: iter([set(peers)])
    )


def test_answer_passes_and_is_counted() -> None:
    """Start, one message each way, end; the trailer names request and kernel."""
    surrounded, context, answer = Surrounded(), Context(), HashNameResponse()
    assert answer is run(surrounded.call(answering(answer), context))
    assert [
        ("started", "unary"),
        ("received", "unary"),
        ("sent", "unary"),
        ("handled", "unary", Code.OK),
    ] == surrounded.recorder.events
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

    surrounded, context = Surrounded(), Context()
    run(surrounded.call(generate if generator else write, context, streaming=True))
    assert [0, 1, 2] == context.written
    kinds = [event[0] for event in surrounded.recorder.events]
    assert ["started", "received", "sent", "sent", "sent", "handled"] == kinds
    assert {"server_stream"} == {event[1] for event in surrounded.recorder.events}


@pytest.mark.parametrize(
    "given", ["a", "0123-abc_DEF.9", "x" * 64, "6f2b7c54-5bd3-4f9d-8f0a-000000000000"]
)
def test_request_id_of_the_client_is_kept_where_it_is_fit_for_a_log(given: str) -> None:
    """It leads from the client's own log to ours."""
    surrounded, context = Surrounded(), Context((REQUEST_ID_KEY, given))
    run(surrounded.call(answering(HashNameResponse()), context))
    assert given == context.trailer[REQUEST_ID_KEY]


@pytest.mark.parametrize(
    "given",
    ["", "x" * 65, "a b", "a\nb", "a\n", "\x1b[31m", '{"a": 1}', "\u00e9", "\u0661", "a/b", b"abc"],
)
def test_request_id_that_could_forge_a_log_is_replaced(given: str | bytes) -> None:
    """By one of ours, which is new every time."""
    surrounded = Surrounded()
    ids = set()
    for _ in range(2):
        context = Context((REQUEST_ID_KEY, given))
        run(surrounded.call(answering(HashNameResponse()), context))
        ids.add(context.trailer[REQUEST_ID_KEY])
    assert given not in ids
    assert 2 == len(ids)
    assert all(len(each) == 32 and str(each).isalnum() for each in ids)


def test_refusal_becomes_its_status_and_keeps_the_request_id() -> None:
    """Beside the details; a bad request is no stopped search."""
    surrounded, context = Surrounded(), Context((REQUEST_ID_KEY, "mine"))
    error = InvalidRequestError([Violation("desired_name", "is bad")])
    with capture_logs() as logs:
        run(surrounded.call(answering(error), context))
    assert Code.INVALID_ARGUMENT is context.aborted
    assert {REQUEST_ID_KEY, KERNEL_KEY, "grpc-status-details-bin"} == context.trailer.keys()
    assert "mine" == context.trailer[REQUEST_ID_KEY]
    assert [("handled", "unary", Code.INVALID_ARGUMENT)] == surrounded.recorder.events[2:]
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
    """Once."""
    surrounded, context = Surrounded(), Context()
    run(surrounded.call(answering(error), context))
    assert code is context.aborted
    assert [
        ("handled", "unary", code),
        ("stopped", "Find", error.cause),
    ] == surrounded.recorder.events[2:]


def test_internal_error_is_logged_with_its_trace_and_sent_without() -> None:
    """The request id joins the two."""
    surrounded, context = Surrounded(), Context((REQUEST_ID_KEY, "mine"))
    fault = RuntimeError("the secret text")
    with capture_logs() as logs:
        run(surrounded.call(answering(fault), context))
    assert Code.INTERNAL is context.aborted
    assert "internal error; request id mine" == context.details
    assert "secret" not in repr(context.trailer)
    (entry,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert fault is entry["exc_info"]
    assert "mine" == entry["request_id"]
    assert [("handled", "unary", Code.INTERNAL)] == surrounded.recorder.events[2:]


def test_error_that_fits_no_status_is_an_internal_error() -> None:
    """Nothing of it is told."""
    surrounded, context = Surrounded(), Context()
    error = ServerDrainingError("secret", float("nan"))
    with capture_logs() as logs:
        run(surrounded.call(answering(error), context))
    assert Code.INTERNAL is context.aborted
    assert "secret" not in context.details
    assert "error" in [entry["log_level"] for entry in logs]


def test_undecodable_request_is_a_bad_one() -> None:
    """It never reaches the handler, and is not counted as a message received."""
    surrounded, context = Surrounded(), Context()
    handle = answering(AssertionError("the handler was called"))
    run(surrounded.call(handle, context, request=b"\xff\xff"))
    assert Code.INVALID_ARGUMENT is context.aborted
    packed = context.trailer["grpc-status-details-bin"]
    assert isinstance(packed, bytes)
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(packed).details[0].Unpack(info)
    assert "UNDECODABLE_REQUEST" == info.reason


def test_abort_of_the_handler_itself_passes_with_its_code() -> None:
    """The health service refuses unknown services so."""

    async def handle(_request: HashNameRequest, context: Context) -> None:
        await context.abort(Code.NOT_FOUND, "no such service")

    surrounded, context = Surrounded(), Context()
    run(surrounded.call(handle, context, HEALTH))
    assert Code.NOT_FOUND is context.aborted
    assert "no such service" == context.details
    assert ("handled", "unary", Code.NOT_FOUND) == surrounded.recorder.events[-1]


def test_unknown_method_is_left_to_grpc() -> None:
    """There is no handler to surround."""

    async def find(_details: object) -> None:
        return None

    interceptor = RpcInterceptor(Recorder(), SERVICE, "native-test", Access())
    details: Any = SimpleNamespace(method="/a/b")
    assert run(interceptor.intercept_service(find, details)) is None


async def cancelled(surrounded: Surrounded, work: Awaitable[object]) -> None:
    """Check that a call ends as a cancelled one does."""
    with pytest.raises(asyncio.CancelledError):
        await work
    await surrounded.interceptor.searches_ended()


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
def test_cause_of_a_cancelled_search_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
    seconds: float | None,
    peers: tuple[str, ...],
    code: Code,
    cause: Cause,
    step: float,
) -> None:
    """From the deadline and the connection, after 4.99 s; whatever the wall clock does meanwhile.

    gRPC's own remaining time moves with the wall clock: it is asked once, at the beginning.
    """
    connected(monkeypatch, *peers)
    surrounded = Surrounded()

    async def handle(_request: HashNameRequest, _context: object) -> None:
        surrounded.clock.now += 4.99
        raise asyncio.CancelledError

    remaining = () if seconds is None else (seconds, seconds - 4.99 - step)
    context = Context(remaining=remaining)
    with capture_logs() as logs:
        run(cancelled(surrounded, surrounded.call(handle, context)))
    assert [("handled", "unary", code), ("stopped", "Find", cause)] == (
        surrounded.recorder.events[2:]
    )
    assert [(code.name, cause, PEER)] == [(e["code"], e["cause"], e["peer"]) for e in logs]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), grpc.aio.InternalError()])
def test_reason_that_came_before_the_cancellation_counts(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """A search that the drain had stopped is not the client's doing."""
    connected(monkeypatch, PEER)

    async def handle(_request: HashNameRequest, context: Any) -> None:  # noqa: ANN401
        context.outcome.record(ServerDrainingError("going", 1.0))
        raise error

    surrounded = Surrounded()
    run(cancelled(surrounded, surrounded.call(handle, Context(remaining=(5.0, 0.0)))))
    assert ("stopped", "Find", Cause.SHUTDOWN) == surrounded.recorder.events[-1]


def test_rpc_without_a_message_is_refused() -> None:
    """Whether its client ends it, or says nothing for half a minute."""
    for wait in (0.0, 3600.0):
        surrounded, context = Surrounded(), Context()

        async def read(wait: float = wait) -> object:
            await asyncio.sleep(wait)
            return grpc.aio.EOF

        context.read = read  # type: ignore[method-assign]
        run(surrounded.call(answering(AssertionError("called")), context))
        assert Code.INVALID_ARGUMENT is context.aborted
        assert [
            ("started", "unary"),
            ("handled", "unary", Code.INVALID_ARGUMENT),
        ] == surrounded.recorder.events


@pytest.mark.parametrize(
    ("peers", "cause"), [((PEER,), Cause.CLIENT_CANCEL), ((), Cause.DISCONNECT)]
)
@pytest.mark.parametrize("failed", ["gone", "blocked"])
def test_write_that_fails_since_nobody_reads_is_a_cancellation(
    monkeypatch: pytest.MonkeyPatch, peers: tuple[str, ...], cause: Cause, failed: str
) -> None:
    """An error of gRPC's own, sometimes before it knows: none of ours, and not logged as one."""
    connected(monkeypatch, *peers)

    async def handle(_request: HashNameRequest, context: Any) -> None:  # noqa: ANN401
        await context.write(1)
        setattr(grpc_context, failed, True)
        await context.write(2)

    surrounded, grpc_context = Surrounded(), Context()
    with capture_logs() as logs:
        call = surrounded.call(handle, grpc_context, streaming=True)
        run(cancelled(surrounded, call))
    assert [1] == grpc_context.written
    assert grpc_context.aborted is None
    assert [
        ("sent", "server_stream"),
        ("handled", "server_stream", Code.CANCELLED),
        ("stopped", "Find", cause),
    ] == surrounded.recorder.events[2:]
    assert ["info"] == [entry["log_level"] for entry in logs]


def test_search_that_ends_after_its_client_has_gone_notifies_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is no status to send; why it ended is counted all the same."""
    connected(monkeypatch, PEER)
    surrounded, context = Surrounded(), Context()
    context.gone = True
    run(cancelled(surrounded, surrounded.call(answering(BudgetExhaustedError(5)), context)))
    assert context.aborted is None
    assert [
        ("handled", "unary", Code.CANCELLED),
        ("stopped", "Find", Cause.BUDGET),
    ] == surrounded.recorder.events[2:]


def test_cancelled_health_check_is_no_stopped_search() -> None:
    """Only the searching service's stops have causes; the others are logged for debugging."""
    surrounded = Surrounded()
    call = surrounded.call(answering(asyncio.CancelledError()), Context(), HEALTH)
    with capture_logs() as logs:
        run(cancelled(surrounded, call))
    assert [("handled", "unary", Code.CANCELLED)] == surrounded.recorder.events[2:]
    assert ["debug"] == [entry["log_level"] for entry in logs]


def test_searches_have_ended_when_the_last_one_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A drain waits for the causes of cancelled RPCs, and for no health check."""
    connected(monkeypatch, PEER)

    async def scenario() -> None:
        surrounded = Surrounded()
        gates = {name: asyncio.Event() for name in ("watch", "one", "two")}

        async def wait(request: HashNameRequest, _context: Context) -> HashNameResponse:
            await gates[request.desired_name].wait()
            return HashNameResponse()

        async def begin(name: str, method: str) -> asyncio.Task[object]:
            handler = await surrounded.handler(wait, method)
            behaviour: Any = handler.stream_unary
            context = Context()
            context.incoming.append(lambda: HashNameRequest(desired_name=name))
            task: asyncio.Task[object] = asyncio.create_task(behaviour(None, context))
            await asyncio.sleep(0)
            return task

        watch = await begin("watch", HEALTH)
        await surrounded.interceptor.searches_ended()  # returns at once
        one, two = await begin("one", FIND), await begin("two", FIND)
        ended = asyncio.create_task(surrounded.interceptor.searches_ended())
        gates["one"].set()
        await one
        assert not ended.done()
        two.cancel()
        await asyncio.gather(two, return_exceptions=True)
        assert not ended.done()
        await ended
        assert ("stopped", "Find", Cause.CLIENT_CANCEL) == surrounded.recorder.events[-1]
        gates["watch"].set()
        await watch

    run(scenario())
