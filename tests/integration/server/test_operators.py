"""The operators' service at its own address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import pytest
from structlog.typing import EventDict

from hashfinder.transport.admin import MOST_WATCHERS
from hashfinder_proto import hash_name_admin_pb2 as pb
from hashfinder_proto.hash_name_admin_pb2_grpc import HashFinderAdminStub
from hashfinder_proto.hash_name_pb2 import HASH_ALGORITHM_SHA_256, HashNameRequest
from tests.integration.server.conftest import RunningApplication, StartApplication
from tests.integration.server.endings import ending_of, finish
from tests.integration.server.kernels import IdleKernel

if TYPE_CHECKING:
    from hashfinder_proto.hash_name_admin_pb2_grpc import (
        HashFinderAdminAsyncStub,  # exists for types alone
    )

HOPELESS = HashNameRequest(
    desired_name="hopeless",
    hash_algorithm=HASH_ALGORITHM_SHA_256,
    start_position=7,
    secret_prefix=b"not for operators",
)


@asynccontextmanager
async def operated(
    application: StartApplication, **settings: object
) -> AsyncIterator[tuple[RunningApplication, "HashFinderAdminAsyncStub"]]:
    """Run an application whose kernel finds nothing; yield it, and an operator's stub."""
    running = await application(IdleKernel(), admin_listen="127.0.0.1:0", **settings)
    assert running.application.admin_address is not None
    async with grpc.aio.insecure_channel(running.application.admin_address) as channel:
        yield running, HashFinderAdminStub(channel)


async def test_list_shows_what_is_searched_and_for_whom(application: StartApplication) -> None:
    """The secret prefix and suffix are not shown; the id is the one that the client has."""
    async with operated(application) as (running, admin):
        call = running.stub.FindRange(HOPELESS)
        sent = dict(await call.initial_metadata())
        [search] = (await admin.ListSearches(pb.ListSearchesRequest())).searches
        assert sent["hashfinder-search-id"] == search.search_id
        assert "127.0.0.1" == search.client
        assert pb.SEARCH_STATE_RUNNING == search.state
        assert 1.0 == search.share
        assert ("hopeless", HASH_ALGORITHM_SHA_256, 7) == (
            search.request.desired_name,
            search.request.hash_algorithm,
            search.request.start_position,
        )
        assert b"" == search.request.secret_prefix
        searched = search.progress.hashes_computed
        assert 7 + searched == search.progress.next_position
        others = await admin.ListSearches(pb.ListSearchesRequest(client="192.0.2.1"))
        assert [] == list(others.searches)
        call.cancel()


async def test_watch_shows_changes(application: StartApplication) -> None:
    """A watch shows a new search, a waiting one, and that both have ended."""
    async with operated(application, maximum_searches=1) as (running, admin):
        request = pb.WatchSearchesRequest()
        request.interval.FromMilliseconds(100)
        watch = admin.WatchSearches(request)

        async def until(*states: int) -> None:
            async for response in watch:
                if list(states) == [search.state for search in response.searches]:
                    return

        await until()
        first = running.stub.Find(HOPELESS)
        await until(pb.SEARCH_STATE_RUNNING)
        second = running.stub.Find(HOPELESS)
        await until(pb.SEARCH_STATE_RUNNING, pb.SEARCH_STATE_WAITING)
        first.cancel()
        await until(pb.SEARCH_STATE_RUNNING)
        second.cancel()
        await until()
        watch.cancel()


async def test_stop_of_a_client_ends_all_its_searches(
    application: StartApplication, logs: list[EventDict]
) -> None:
    """Waiting searches end as well; the ids are returned, and the operator is logged."""
    async with operated(application, maximum_searches=1) as (running, admin):
        calls = [running.stub.Find(HOPELESS), running.stub.FindRange(HOPELESS)]
        await running.eventually(
            lambda samples: (
                samples.value("hashfinder_searches_active")
                + samples.value("hashfinder_searches_queued")
                == 2
            ),
            "one runs and one waits",
        )
        nobody = await admin.StopSearch(pb.StopSearchRequest(client="192.0.2.1"))
        assert [] == list(nobody.search_ids)
        stopped = await admin.StopSearch(pb.StopSearchRequest(client="127.0.0.1"))
        for call in calls:
            ending = await finish(call)
            assert ("ABORTED", "STOPPED_BY_OPERATOR") == (ending.code.name, ending.reason)
        assert 2 == len(set(stopped.search_ids))
        assert [] == list((await admin.ListSearches(pb.ListSearchesRequest())).searches)
        line = [each for each in logs if each["event"] == "searches stopped by operator"][-1]
        assert list(stopped.search_ids) == line["search_ids"]
        assert "127.0.0.1" == line["operator"]
        assert line["peer"].startswith("ipv4:127.0.0.1:")


async def test_drain_ends_searches_with_where_to_resume(
    application: StartApplication, logs: list[EventDict]
) -> None:
    """It works like SIGTERM; the operator gets an answer, and is logged."""
    async with operated(application) as (running, admin):
        search = running.stub.Find(HOPELESS)
        await running.active(1)
        await admin.Drain(pb.DrainRequest())
        ending = await finish(search)
        assert ("UNAVAILABLE", "SERVER_DRAINING") == (ending.code.name, ending.reason)
        assert 7 + ending.progress.hashes_computed == ending.progress.next_position
    [asked] = [each for each in logs if each["event"] == "drain requested by operator"]
    assert "127.0.0.1" == asked["operator"]


@pytest.mark.parametrize(
    ("method", "request_message", "code", "reason"),
    [
        ("StopSearch", pb.StopSearchRequest(search_id="none"), "NOT_FOUND", "NO_SUCH_SEARCH"),
        ("StopSearch", pb.StopSearchRequest(), "INVALID_ARGUMENT", "INVALID_REQUEST"),
    ],
)
async def test_stop_of_nothing_is_refused(
    application: StartApplication,
    method: str,
    request_message: pb.StopSearchRequest,
    code: str,
    reason: str,
) -> None:
    """An unknown id and a missing target are refused."""
    async with operated(application) as (_, admin):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await getattr(admin, method)(request_message)
        ending = ending_of(caught.value)
        assert (code, reason) == (ending.code.name, ending.reason)


@pytest.mark.parametrize("milliseconds", [99, 60_001, -1])
async def test_interval_of_a_watch_has_a_range(
    application: StartApplication, milliseconds: int
) -> None:
    """The error names the field and its range."""
    async with operated(application) as (_, admin):
        request = pb.WatchSearchesRequest()
        request.interval.FromMilliseconds(milliseconds)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await admin.WatchSearches(request).read()
        [violation] = ending_of(caught.value).details["BadRequest"].field_violations
        assert "interval" == violation.field
        assert violation.description.startswith("must be 0.1 s to 60 s, not ")


async def test_watchers_are_bounded(application: StartApplication) -> None:
    """One watcher too many is refused; it is accepted once another has left."""
    async with operated(application) as (_, admin):
        watches = [admin.WatchSearches(pb.WatchSearchesRequest()) for _ in range(MOST_WATCHERS)]
        for watch in watches:
            await watch.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await admin.WatchSearches(pb.WatchSearchesRequest()).read()
        assert "TOO_MANY_WATCHERS" == ending_of(caught.value).reason
        for watch in watches:
            watch.cancel()


async def test_public_address_serves_operators_by_role_alone(
    application: StartApplication,
) -> None:
    """Without a policy nobody has the role."""
    running = await application(IdleKernel())
    assert running.application.admin_address is None
    admin: HashFinderAdminAsyncStub = HashFinderAdminStub(running.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await admin.ListSearches(pb.ListSearchesRequest())
    ending = ending_of(caught.value)
    assert ("PERMISSION_DENIED", "NOT_ALLOWED") == (ending.code.name, ending.reason)
