"""Statuses of a transport, a proxy or a balancer are not the server's own (faults 21, 25, 26)."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from hashfinder_client import (
    AsyncFinder,
    DeadlinePassedError,
    Finder,
    Match,
    Pause,
    Query,
    RetryPolicy,
    SearchEvent,
    StoppedError,
    TimeLimitError,
    UnavailableError,
    resumable_search,
)
from hashfinder_client.blocking_runner import BlockingRunner
from hashfinder_client.channel import channel_options, connect, connect_async
from hashfinder_client.renewable_channel import RenewableChannel
from hashfinder_client.search_runner import SearchRunner
from hashfinder_client.sharded_search import ShardedSearch
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse, SearchProgress
from tests.integration.scripted import ServeScript, valid_response
from tests.integration.server_process import IDLE_KERNEL, ServerProcess, eventually

HASTY = RetryPolicy(first_delay=0.01, longest_delay=0.02, retries=3)
PROGRESS = HashNameResponse(progress=SearchProgress(hashes_computed=100, next_position=100))


def gather(server: str) -> list[SearchEvent]:
    """Return all events of a search with a Finder."""
    with Finder(server, policy=HASTY) as finder, finder.find_range("doc", shards=1) as events:
        return list(events)


async def gather_async(server: str) -> list[SearchEvent]:
    """Return all events of a search with an AsyncFinder."""
    async with AsyncFinder(server, policy=HASTY) as finder, finder.find_range("doc") as events:
        return [event async for event in events]


def abort(context: grpc.ServicerContext, code: grpc.StatusCode, reason: str) -> None:
    """End an RPC like the server itself."""
    info = Any()
    info.Pack(ErrorInfo(domain="hashfinder", reason=reason))
    status = Status(code=code.value[0], message="text", details=[info])
    context.abort_with_status(rpc_status.to_status(status))


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    "code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED]
)
def test_status_of_a_transport(
    serve_script: ServeScript, code: grpc.StatusCode, *, is_async: bool
) -> None:
    """The search resumes from the last report, over another connection."""
    starts: list[int] = []
    peers: set[str] = set()

    def script(
        request: HashNameRequest, context: grpc.ServicerContext
    ) -> Iterator[HashNameResponse]:
        starts.append(request.start_position)
        peers.add(context.peer())
        if len(starts) == 1:
            yield PROGRESS
            context.abort(code, "RST_STREAM with error code 2")
        yield valid_response("doc", b"\x00\xc0", 449)

    server = serve_script(script)
    events = asyncio.run(gather_async(server)) if is_async else gather(server)

    assert [0, 100] == starts
    assert 2 == len(peers)
    assert [code] == [event.error.status for event in events if isinstance(event, Pause)]
    assert isinstance(events[-1], Match)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_silent_server_that_has_reported_progress(
    serve_script: ServeScript, monkeypatch: pytest.MonkeyPatch, *, is_async: bool
) -> None:
    """If a connection is lost silently, the search continues on a new one.

    Also if it is lost before the first report of an RPC, once an earlier RPC has reported.
    """
    monkeypatch.setattr(resumable_search, "LEAST_PATIENCE", 0.5)
    monkeypatch.setattr(resumable_search, "MISSING_REPORTS", 0.5)
    starts: list[int] = []
    peers: set[str] = set()
    over = threading.Event()

    def script(
        request: HashNameRequest, context: grpc.ServicerContext
    ) -> Iterator[HashNameResponse]:
        starts.append(request.start_position)
        peers.add(context.peer())
        if len(starts) == 1:
            yield PROGRESS
        if len(starts) <= 2:
            over.wait(30)
        yield valid_response("doc", b"\x00\xc0", 449)

    server = serve_script(script)
    try:
        events = asyncio.run(gather_async(server)) if is_async else gather(server)
    finally:
        over.set()

    assert [0, 100, 100] == starts
    assert 3 == len(peers)
    errors = [event.error for event in events if isinstance(event, Pause)]
    assert [UnavailableError] * 2 == [type(error) for error in errors]
    assert all("no report came for 0.5 s" in error.text for error in errors)
    assert isinstance(events[-1], Match)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_silent_server_that_never_reports_progress(
    serve_script: ServeScript, monkeypatch: pytest.MonkeyPatch, *, is_async: bool
) -> None:
    """A server of the classic contract may search silently for any time."""
    monkeypatch.setattr(resumable_search, "LEAST_PATIENCE", 0.1)
    monkeypatch.setattr(resumable_search, "MISSING_REPORTS", 0.1)

    def script(_: HashNameRequest, _context: grpc.ServicerContext) -> Iterator[HashNameResponse]:
        time.sleep(1)
        yield valid_response("doc", b"\x00\xc0", 449)

    server = serve_script(script)
    [match] = asyncio.run(gather_async(server)) if is_async else gather(server)
    assert isinstance(match, Match)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_server_that_need_not_report_is_probed(
    server_process: Callable[..., ServerProcess], monkeypatch: pytest.MonkeyPatch, *, is_async: bool
) -> None:
    """So a lost connection is noticed; the search itself is not given up."""
    monkeypatch.setattr(resumable_search, "LEAST_PATIENCE", 0.2)
    monkeypatch.setattr(resumable_search, "MISSING_REPORTS", 0)
    server = server_process("--workers", "1", "--kernel", "python", before=IDLE_KERNEL)
    settings: dict[str, float] = {"progress_interval": 600, "timeout": 2}

    def search() -> None:
        with Finder(server.address, **settings) as finder:  # type: ignore[arg-type]
            finder.find("hopelesslyhopeless")

    async def search_async() -> None:
        async with AsyncFinder(server.address, **settings) as finder:  # type: ignore[arg-type]
            await finder.find("hopelesslyhopeless")

    with pytest.raises(DeadlinePassedError):
        asyncio.run(search_async()) if is_async else search()
    assert 3 <= server.metric("grpc_server_handled_total", grpc_method="Check") <= 12


@pytest.mark.parametrize(
    ("method", "is_async"),
    [("FindRange", False), ("FindRange", True), ("Find", True)],
    ids=["sync", "async", "unary"],
)
def test_server_that_is_not_asked_to_report_is_probed(
    server_process: Callable[..., ServerProcess],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    *,
    is_async: bool,
) -> None:
    """Likewise: such a search may be silent until its end."""
    monkeypatch.setattr(resumable_search, "LEAST_PATIENCE", 0.2)
    server = server_process("--workers", "1", "--kernel", "python", before=IDLE_KERNEL)
    query = Query("hopelesslyhopeless")
    part = resumable_search.ResumableSearch(query, RetryPolicy(resume=False), timeout=2)
    sharded = ShardedSearch(query, None, lambda *_: part)

    def search() -> None:
        channel = RenewableChannel(server.address, connect)
        runner = BlockingRunner(channel, sharded)
        try:
            deque(runner.events())
        finally:
            runner.close()
            for each in channel.close():
                each.close()

    async def search_async() -> None:
        channel = RenewableChannel(server.address, connect_async)
        runner = SearchRunner(channel, sharded, streams=method == "FindRange")
        try:
            async for _ in runner.events():
                pass
        finally:
            await runner.close()
            for each in channel.close():
                await each.close()

    with pytest.raises(DeadlinePassedError):
        asyncio.run(search_async()) if is_async else search()
    eventually(
        lambda: server.metric("grpc_server_handled_total", grpc_method=method) == 1, "it is counted"
    )
    assert 3 <= server.metric("grpc_server_handled_total", grpc_method="Check") <= 12


def test_fault_of_the_server(serve_script: ServeScript) -> None:
    """INTERNAL with the server's own ErrorInfo ends the search."""
    calls = []

    def script(
        request: HashNameRequest, context: grpc.ServicerContext
    ) -> Iterator[HashNameResponse]:
        calls.append(request)
        yield PROGRESS
        abort(context, grpc.StatusCode.INTERNAL, "INTERNAL_ERROR")

    with Finder(serve_script(script), policy=HASTY) as finder, pytest.raises(StoppedError) as error:
        finder.find("doctor")

    assert (grpc.StatusCode.INTERNAL, 100) == (error.value.status, error.value.next_position)
    assert 1 == len(calls)


def test_time_limit_of_the_server(serve_script: ServeScript) -> None:
    """It has its own error: the server is not full, and no quota is used up."""

    def script(_: HashNameRequest, context: grpc.ServicerContext) -> Iterator[HashNameResponse]:
        yield PROGRESS
        abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "TIME_LIMIT_REACHED")

    with Finder(serve_script(script), policy=HASTY) as finder, pytest.raises(TimeLimitError) as end:
        finder.find("doctor")

    assert 100 == end.value.next_position


def test_proxy_from_the_environment(
    module_server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proxy is used for this machine; for another machine, the error names the proxy."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:9")
    with Finder(module_server.address) as finder:
        assert "dad" in finder.find("dad").hashed_name.lower()
    none = RetryPolicy(retries=0)
    with Finder("host.test:1", policy=none) as finder, pytest.raises(UnavailableError) as error:
        finder.find("dad")
    assert "the proxy 127.0.0.1:9 that http_proxy names" in error.value.text
    assert "secret" not in str(error.value)


def test_new_channels_of_a_name_with_several_addresses(
    server_process: Callable[..., ServerProcess],
) -> None:
    """They reach all of its servers, instead of always the first, which may be draining."""
    first = server_process("--host", "127.0.0.1")
    port = first.address.rpartition(":")[2]
    second = server_process("--host", "127.0.0.2", "--port", port)
    name = f"ipv4:127.0.0.1:{port},127.0.0.2:{port}"

    for _ in range(40):  # all on one server by chance only once in 2^39 runs
        with grpc.insecure_channel(name, channel_options("host.test:1")) as channel:
            Finder(channel).find("a")

    for server in [first, second]:
        assert server.metric("grpc_server_started_total", grpc_method="FindRange") > 0
