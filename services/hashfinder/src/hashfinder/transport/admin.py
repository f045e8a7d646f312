"""The service for operators, `hash_name.HashFinderAdmin`."""

import asyncio
from collections.abc import Callable

import structlog

from hashfinder.domain.errors import (
    InvalidRequestError,
    NoSuchSearchError,
    TooManyWatchersError,
)
from hashfinder.scheduling.registry import ListedSearch, SearchRegistry, SearchState
from hashfinder.transport.adapt import RpcContext
from hashfinder.transport.mapping import request_message, search_progress
from hashfinder_proto import hash_name_admin_pb2 as pb
from hashfinder_proto.hash_name_admin_pb2_grpc import HashFinderAdminServicer
from hashfinder_rules.violations import Violation

ADMIN_SERVICE = pb.DESCRIPTOR.services_by_name["HashFinderAdmin"].full_name
MOST_WATCHERS = 16
"""How many operators watch at once."""
_INTERVALS = (0.1, 60.0)
"""Seconds between two looks: the shortest and the longest."""
_STATES = {
    SearchState.WAITING: pb.SEARCH_STATE_WAITING,
    SearchState.RUNNING: pb.SEARCH_STATE_RUNNING,
    SearchState.PARKED: pb.SEARCH_STATE_PARKED,
}

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class AdminServicer(HashFinderAdminServicer):
    """Errors leave as exceptions; the interceptor makes statuses. Who did what is logged."""

    def __init__(self, registry: SearchRegistry, drain: Callable[[], None]) -> None:
        """Take the searches, and what begins the drain."""
        self._registry = registry
        self._drain = drain
        self._watchers = 0

    async def ListSearches(  # type: ignore[override]  # our context
        self, request: pb.ListSearchesRequest, _context: RpcContext
    ) -> pb.ListSearchesResponse:
        """Return the searches of one moment."""
        return pb.ListSearchesResponse(searches=self._messages(request.client))

    async def WatchSearches(  # type: ignore[override]  # the stubs know async generators only
        self, request: pb.WatchSearchesRequest, context: RpcContext
    ) -> None:
        """Write them again after each interval."""
        interval = _interval(request)
        if self._watchers >= MOST_WATCHERS:
            raise TooManyWatchersError(MOST_WATCHERS)
        self._watchers += 1
        try:
            while True:
                searches = self._messages(request.client)
                await context.write(pb.WatchSearchesResponse(searches=searches))
                await asyncio.sleep(interval)
        finally:
            self._watchers -= 1

    async def StopSearch(  # type: ignore[override]  # our context
        self, request: pb.StopSearchRequest, context: RpcContext
    ) -> pb.StopSearchResponse:
        """Stop one search, or those of a client."""
        match request.WhichOneof("target"):
            case "search_id":
                found = [request.search_id]
                if not self._registry.stop(request.search_id):
                    raise NoSuchSearchError
            case "client":
                found = self._registry.of_client(request.client)
                for search_id in found:
                    self._registry.stop(search_id)
            case _:
                raise InvalidRequestError([Violation("target", "must be a search or a client")])
        _log.warning(
            "searches stopped by operator",
            search_ids=found,
            operator=context.client,
            peer=context.peer(),
        )
        return pb.StopSearchResponse(search_ids=found)

    async def Drain(  # type: ignore[override]  # our context
        self, _request: pb.DrainRequest, context: RpcContext
    ) -> pb.DrainResponse:
        """Begin the drain."""
        _log.warning("drain requested by operator", operator=context.client, peer=context.peer())
        self._drain()
        return pb.DrainResponse()

    def _messages(self, client: str) -> list[pb.ListedSearch]:
        return [_message(each) for each in self._registry.snapshot(client)]


def _message(search: ListedSearch) -> pb.ListedSearch:
    message = pb.ListedSearch(
        search_id=search.search_id,
        client=search.client,
        request=request_message(search.request),
        state=_STATES[search.state],
        progress=None if search.progress is None else search_progress(search.progress),
        share=search.share,
    )
    message.begin_time.FromMilliseconds(round(search.began * 1000))
    return message


def _interval(request: pb.WatchSearchesRequest) -> float:
    """Return the seconds between two looks.

    Raises:
        InvalidRequestError: they are out of their range.
    """
    if not request.HasField("interval"):
        return 1.0
    seconds = request.interval.seconds + request.interval.nanos / 1e9
    shortest, longest = _INTERVALS
    if not shortest <= seconds <= longest:
        text = f"must be {shortest:g} s to {longest:g} s, not {seconds:g} s"
        raise InvalidRequestError([Violation("interval", text)])
    return seconds
