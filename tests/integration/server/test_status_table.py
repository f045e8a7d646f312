"""How an RPC ends: every row of the contract's status table, for both methods."""

import asyncio
import gc
import uuid
from collections.abc import Callable, Iterator
from types import CoroutineType, FrameType
from typing import Any

import grpc
import pytest
from structlog.typing import EventDict

from hashfinder.transport.admin import ADMIN_SERVICE
from hashfinder_proto.hash_name_admin_pb2 import (
    SEARCH_STATE_WAITING,
    ListSearchesRequest,
    StopSearchRequest,
)
from hashfinder_proto.hash_name_admin_pb2_grpc import HashFinderAdminStub
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.http2 import DATA, END_STREAM, Connection, frame, message, request_headers
from tests.integration.samples import Labels, Samples
from tests.integration.server import brute_force
from tests.integration.server.conftest import RunningApplication, StartApplication
from tests.integration.server.endings import Ending, finish
from tests.integration.server.kernels import BrokenKernel, IdleKernel
from tests.integration.server.status_rows import (
    GO_CODES,
    HOPELESS,
    METHODS,
    RETRY_SECONDS,
    ROWS,
    Quota,
    Row,
    python_kernel,
)


def begin(running: RunningApplication, method: str, row: Row, request_id: str) -> Any:  # noqa: ANN401
    """Start the RPC of a row."""
    metadata = (("x-request-id", request_id), *row.metadata)
    channel: Any = running.channel
    if row.unsent:
        open_method = channel.stream_stream  # the two kinds do not differ on the wire
        return open_method(f"/hash_name.HashFinder/{method}")(iter(()), metadata=metadata)
    if row.wire is None:
        return getattr(running.stub, method)(row.request, timeout=row.timeout, metadata=metadata)
    open_method = channel.unary_unary if method == "Find" else channel.unary_stream
    return open_method(f"/hash_name.HashFinder/{method}")(row.wire, metadata=metadata)


async def prepare(
    application: StartApplication, method: str, row: Row, **settings: object
) -> tuple[RunningApplication, list[Any]]:
    """Return an application in the state that the row needs, and the searches already running."""
    running = await application(row.kernel(), **settings, **row.settings)
    if row.earlier:
        nothing = running.samples()
        await finish(getattr(running.stub, method)(row.earlier))
        await counted(running, method, nothing)
    others = [running.stub.Find(HOPELESS, metadata=row.metadata) for _ in range(row.held)]
    await running.active(row.held)
    return running, others


async def end(running: RunningApplication, method: str, row: Row, request_id: str) -> Ending:
    """Run the RPC of a row to its end; return what its client sees."""
    call = begin(running, method, row, request_id)
    if row.cancel or row.stop:
        await running.eventually(
            lambda samples: (
                samples.value("hashfinder_searches_active")
                + samples.value("hashfinder_searches_queued")
                == row.held + 1
            ),
            "the search is admitted, or waits",
        )
    if row.cancel:
        call.cancel()
    if row.stop:
        await stop_newest(running)
    return await finish(call)


async def stop_newest(running: RunningApplication) -> None:
    """Stop the newest search, once it has searched something or is waiting."""
    address = running.application.admin_address
    assert address is not None
    async with grpc.aio.insecure_channel(address) as channel:
        admin = HashFinderAdminStub(channel)
        while True:
            newest = (await admin.ListSearches(ListSearchesRequest())).searches[-1]
            if newest.state == SEARCH_STATE_WAITING or newest.progress.hashes_computed:
                break
        stopped = await admin.StopSearch(StopSearchRequest(search_id=newest.search_id))
        assert [newest.search_id] == list(stopped.search_ids)


async def counted(running: RunningApplication, method: str, before: Samples) -> Samples:
    """Return the samples once one more RPC of `method` is counted."""
    name = "grpc_server_handled_total"
    wanted = before.value(name, grpc_method=method) + 1
    return await running.eventually(
        lambda samples: samples.value(name, grpc_method=method) == wanted, "the RPC is counted"
    )


def assert_counted(
    method: str, code: str, cause: str | None, before: Samples, after: Samples
) -> None:
    """Exactly one RPC has ended since `before`, with this code and this cause."""
    rpc = {
        "grpc_type": METHODS[method],
        "grpc_service": "hash_name.HashFinder",
        "grpc_method": method,
    }
    ended: dict[Labels, float] = {frozenset({**rpc, "grpc_code": GO_CODES[code]}.items()): 1.0}
    stopped: dict[Labels, float] = (
        {frozenset({"method": method, "cause": cause}.items()): 1.0} if cause else {}
    )
    assert ended == {
        labels: move
        for labels, move in after.moved("grpc_server_handled_total", before).items()
        if ("grpc_service", ADMIN_SERVICE) not in labels
    }
    assert stopped == after.moved("hashfinder_cancellations_total", before)
    timed: dict[Labels, float] = {frozenset(rpc.items()): 1.0}
    assert timed == {
        labels: move
        for labels, move in after.moved("grpc_server_handling_seconds_count", before).items()
        if ("grpc_service", ADMIN_SERVICE) not in labels
    }


def assert_logged(
    logs: list[EventDict],
    request_id: str,
    method: str,
    code: str,
    cause: str | None,
    reason: str | None = "SERVER_DRAINING",
    client: str = "127.0.0.1",
) -> None:
    """The RPC has exactly one line in the log."""
    [line] = [
        each for each in logs if each["event"] == "rpc ended" and each["request_id"] == request_id
    ]
    assert (method, code, cause) == (line["method"], line["code"], line["cause"])
    assert (reason, client) == (line["reason"], line["client"])
    assert line["seconds"] > 0


def assert_progress(ending: Ending, request: HashNameRequest) -> None:
    """The SearchProgress says exactly what a search of that many positions finds."""
    progress = ending.progress
    searched = brute_force.search(
        request.desired_name, 0, 0, request.start_position, progress.hashes_computed
    )
    assert searched.best is not None
    assert progress.hashes_computed > 0
    assert request.start_position + progress.hashes_computed == progress.next_position
    assert searched.best == brute_force.received(progress.best_candidate)
    assert progress.hashes_per_second > 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_rpc_ends_as_the_table_says(
    application: StartApplication, logs: list[EventDict], row: Row, method: str
) -> None:
    """Code, reason, details, metrics, log line and request id are those of the row."""
    running, others = await prepare(application, method, row)
    before = running.samples()
    request_id = f"test-{uuid.uuid4()}"

    ending = await end(running, method, row, request_id)
    after = await counted(running, method, before)
    for other in others:
        other.cancel()

    assert row.code == ending.code.name
    assert row.details == set(ending.details)
    assert_counted(method, row.code, row.cause, before, after)
    assert_logged(logs, request_id, method, row.code, row.cause, row.reason, row.client)
    assert "swordfish" not in repr(logs)
    assert "test-token" not in repr(logs)
    denied = after.moved("hashfinder_access_denied_total", before)
    is_of_access = row.code in {"UNAUTHENTICATED", "PERMISSION_DENIED"}
    assert ({frozenset({("reason", row.reason)}): 1.0} if is_of_access else {}) == denied
    if row.code not in {"CANCELLED", "DEADLINE_EXCEEDED"}:  # the client sets these
        assert request_id == ending.metadata["x-request-id"]
    if row.reason:
        assert row.reason == ending.reason
        assert all(
            key.isidentifier() and key[0].islower() for key in ending.details["ErrorInfo"].metadata
        )
    if row.quota:
        [violation] = ending.details["QuotaFailure"].violations
        assert row.quota == Quota(
            violation.subject,
            violation.quota_metric,
            violation.quota_id,
            violation.quota_value,
        )
        assert "hash_name.HashFinder" == violation.api_service
        assert str(row.quota.limit) == ending.details["ErrorInfo"].metadata["limit"]
    if "RetryInfo" in row.details:
        assert RETRY_SECONDS[0] <= ending.retry_seconds <= RETRY_SECONDS[1]
    if "SearchProgress" in row.details:
        assert_progress(ending, row.request)


WIRE_ENDINGS = {
    "client lost": (None, "CANCELLED", "disconnect", None),
    "message cut": (message(b"0123456789")[:9], "INVALID_ARGUMENT", None, "INCOMPLETE_REQUEST"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", WIRE_ENDINGS)
async def test_rpc_of_a_failing_client_ends_as_the_table_says(
    application: StartApplication, logs: list[EventDict], name: str, method: str
) -> None:
    """The client dies, or closes its side within the message: code, metrics and log line."""
    sent, code, cause, reason = WIRE_ENDINGS[name]
    running = await application(IdleKernel())
    before = running.samples()
    request_id = f"test-{uuid.uuid4()}"
    path = f"/hash_name.HashFinder/{method}".encode()
    headers = request_headers(path, (b"x-request-id", request_id.encode()))
    connection = await asyncio.to_thread(Connection, running.application.address)
    with connection:
        if sent is None:
            connection.request(headers, HOPELESS.SerializeToString())
            await running.active(1)
        else:
            stream = connection.request(headers, None, end=False)
            connection.send(frame(DATA, END_STREAM, stream, sent))
            [status] = (await asyncio.to_thread(connection.statuses, 1)).values()
            assert str(grpc.StatusCode[code].value[0]) == status
    after = await counted(running, method, before)

    assert_counted(method, code, cause, before, after)
    assert_logged(logs, request_id, method, code, cause, reason)


@pytest.fixture
def collector() -> Iterator[Callable[[], list[object]]]:
    """Disable the garbage collector; yield a function that runs it and returns what it found."""

    def collect() -> list[object]:
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        gc.set_debug(0)
        return gc.garbage

    gc.disable()
    yield collect
    gc.garbage.clear()
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_rpc_leaves_nothing_to_the_garbage_collector(
    application: StartApplication,
    collector: Callable[[], list[object]],
    row: Row,
    method: str,
) -> None:
    """A search's objects are freed by reference counting: none of them is part of a cycle."""
    # A worker remembers its last search until its next one: one worker, and two searches.
    running, others = await prepare(application, method, row, workers=1)
    gc.freeze()  # what there is already is looked at no more, which would take most of the time
    for _ in range(2):
        before = running.samples()
        await end(running, method, row, "test")
        await counted(running, method, before)
    left = collector()
    for other in others:
        other.cancel()

    ours = [each for each in left if type(each).__module__.startswith("hashfinder")]
    assert [] == ours
    assert [] == [each for each in left if isinstance(each, CoroutineType | FrameType)]


@pytest.mark.parametrize("method", METHODS)
async def test_budget_that_ran_out_was_used_to_the_last_hash(
    application: StartApplication, method: str
) -> None:
    """The budget is used exactly, to the last hash."""
    running = await application(python_kernel())
    request = HashNameRequest(desired_name="hopeless", start_position=13, maximum_hashes=777)

    ending = await finish(getattr(running.stub, method)(request))

    assert (777, 790) == (ending.progress.hashes_computed, ending.progress.next_position)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("at_work", ["kernel", "scheduler", "mapping"])
async def test_internal_error_leaks_no_details(
    application: StartApplication,
    logs: list[EventDict],
    monkeypatch: pytest.MonkeyPatch,
    at_work: str,
    method: str,
) -> None:
    """The client gets a request id, the log the traceback, and other clients are served."""
    running = await application(BrokenKernel())
    broken = HashNameRequest(desired_name="a")
    fault = RuntimeError(BrokenKernel.secret)

    def fail(*_: object, **__: object) -> None:
        raise fault

    with monkeypatch.context() as patch:
        if at_work == "kernel":
            broken.desired_name = BrokenKernel.name
        elif at_work == "scheduler":
            patch.setattr("hashfinder.scheduling.session.Search", fail)
        else:
            patch.setattr("hashfinder.transport.servicer.result_message", fail)
        ending = await finish(getattr(running.stub, method)(broken))

    request_id = ending.metadata["x-request-id"]
    assert "INTERNAL" == ending.code.name
    assert f"internal error; request id {request_id}" == ending.text
    assert request_id == ending.details["RequestInfo"].request_id
    assert BrokenKernel.secret not in repr(ending)
    [line] = [each for each in logs if each["log_level"] == "error"]
    assert request_id == line["request_id"]
    assert BrokenKernel.secret == str(line["exc_info"])
    assert "OK" == (await finish(running.stub.Find(HashNameRequest(desired_name="a")))).code.name
    await running.active(0)


@pytest.mark.parametrize("given", ["", "two words", "x" * 65, "semi;colon"])
async def test_request_id_that_does_not_fit_a_log_is_replaced(
    application: StartApplication, given: str
) -> None:
    """A client's request id is kept only if it is short and printable."""
    running = await application(python_kernel())
    request = HashNameRequest(desired_name="a")

    ending = await finish(running.stub.Find(request, metadata=(("x-request-id", given),)))

    assert "OK" == ending.code.name
    assert ending.metadata["x-request-id"].isalnum()


@pytest.mark.parametrize("method", METHODS)
async def test_drain_reports_where_to_resume(
    application: StartApplication, logs: list[EventDict], method: str
) -> None:
    """A search that outlives the grace ends UNAVAILABLE with its progress."""
    running = await application(python_kernel(), drain_grace=0.3)
    request = HashNameRequest(desired_name="hopeless", start_position=100)
    before = running.samples()
    call = getattr(running.stub, method)(request, metadata=(("x-request-id", "survivor"),))
    await running.eventually(
        lambda samples: samples.value("hashfinder_hashes_total") > 0, "it has found something out"
    )
    loop = asyncio.get_running_loop()

    began = loop.time()
    running.application.lifecycle.ask_to_stop()
    ending = await finish(call)

    assert loop.time() - began >= 0.3 - 0.05
    assert "UNAVAILABLE" == ending.code.name
    assert {"ErrorInfo", "RetryInfo", "SearchProgress"} == set(ending.details)
    assert "SERVER_DRAINING" == ending.reason
    assert RETRY_SECONDS[0] <= ending.retry_seconds <= RETRY_SECONDS[1]
    assert "survivor" == ending.metadata["x-request-id"]
    assert_progress(ending, request)
    after = await counted(running, method, before)
    assert_counted(method, "UNAVAILABLE", "shutdown", before, after)
    assert_logged(logs, "survivor", method, "UNAVAILABLE", "shutdown")


@pytest.mark.parametrize("method", METHODS)
async def test_drain_ends_waiting_searches(
    application: StartApplication, logs: list[EventDict], method: str
) -> None:
    """A search that waits for a slot when the drain begins ends at once, without progress."""
    running = await application(IdleKernel(), drain_grace=1.0, maximum_searches=1)
    holder = running.stub.Find(HOPELESS)
    await running.active(1)
    before = running.samples()
    call = getattr(running.stub, method)(HOPELESS, metadata=(("x-request-id", "waiting"),))
    await running.eventually(lambda s: s.value("hashfinder_searches_queued") == 1, "it waits")

    running.application.lifecycle.ask_to_stop()
    ending = await finish(call)
    after = await counted(running, method, before)
    await finish(holder)

    assert "UNAVAILABLE" == ending.code.name
    assert {"ErrorInfo", "RetryInfo"} == set(ending.details)
    assert "SERVER_DRAINING" == ending.reason
    assert_counted(method, "UNAVAILABLE", "shutdown", before, after)
    assert_logged(logs, "waiting", method, "UNAVAILABLE", "shutdown")


@pytest.mark.parametrize("method", METHODS)
async def test_drain_refuses_new_searches(
    application: StartApplication, logs: list[EventDict], method: str
) -> None:
    """A search that arrives during the drain is refused as UNAVAILABLE."""
    running = await application(IdleKernel())
    before = running.samples()
    running.application.refuse_searches()

    call = getattr(running.stub, method)(HOPELESS, metadata=(("x-request-id", "late"),))
    ending = await finish(call)

    assert "UNAVAILABLE" == ending.code.name
    assert {"ErrorInfo", "RetryInfo"} == set(ending.details)
    assert "SERVER_DRAINING" == ending.reason
    after = await counted(running, method, before)
    assert_counted(method, "UNAVAILABLE", "shutdown", before, after)
    assert_logged(logs, "late", method, "UNAVAILABLE", "shutdown")


async def test_server_keeps_serving_during_the_delay_of_a_drain(
    application: StartApplication,
) -> None:
    """Until load balancers have noticed the drain, the server accepts searches as before."""
    running = await application(python_kernel(), drain_delay=1.0)
    running.application.lifecycle.ask_to_stop()
    await running.eventually(lambda s: s.value("hashfinder_draining") == 1, "the drain has begun")

    ending = await finish(running.stub.Find(HashNameRequest(desired_name="a")))

    assert grpc.StatusCode.OK == ending.code
