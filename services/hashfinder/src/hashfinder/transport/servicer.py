"""The service: validate, delegate, map."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from hashfinder.domain.allowance import AllowanceOf
from hashfinder.scheduling.session import SearchService
from hashfinder.transport.adapt import RpcContext
from hashfinder.transport.mapping import estimate_message, progress_message, result_message
from hashfinder.transport.validation import parse_request, progress_interval
from hashfinder_proto import hash_name_pb2 as pb
from hashfinder_proto.hash_name_pb2_grpc import HashFinderServicer
from hashfinder_rules.candidate import Candidate
from hashfinder_rules.chance import Chance

SERVICE = pb.DESCRIPTOR.services_by_name["HashFinder"].full_name
SEARCH_ID_KEY = "hashfinder-search-id"
METHODS = {"Find": "unary", "FindRange": "server_stream", "Estimate": "unary"}
"""The service's methods with their types, as the metrics name them."""


class SearchServicer(HashFinderServicer):
    """`hash_name.HashFinder`. Errors leave as exceptions; the interceptor makes statuses."""

    def __init__(
        self,
        searches: SearchService,
        allowance_of: AllowanceOf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take who searches, and what a client may have."""
        self._searches = searches
        self._allowance_of = allowance_of
        self._clock = clock

    async def Find(  # type: ignore[override]  # our context, which takes the outcome
        self, request: pb.HashNameRequest, context: RpcContext
    ) -> pb.HashNameResponse:
        """Return the first candidate within the ideal distance."""
        client = context.client
        wanted = parse_request(request, self._allowance_of(client).maximum_hashes)
        if wanted.query.interesting_distance:
            wanted = wanted._replace(query=replace(wanted.query, interesting_distance=0))
        taken = await self._searches.find(client, wanted, context.outcome)
        # Whatever came before the first result is not as close.
        return result_message(taken.progress.best or Candidate.at(taken.results[0], wanted.query))

    async def FindRange(  # type: ignore[override]  # the stubs know async generators only
        self, request: pb.HashNameRequest, context: RpcContext
    ) -> None:
        """Stream the candidates within the interesting distance, up to the first ideal one."""
        client = context.client
        wanted = parse_request(request, self._allowance_of(client).maximum_hashes)
        interval = progress_interval(request)
        due = self._clock() + interval if interval else None
        async with self._searches.open(client, wanted, context.outcome) as session:
            await context.send_initial_metadata(((SEARCH_ID_KEY, session.search_id),))
            best: Candidate | None = None
            found = False
            while not found:
                taken = await session.take(due and due - self._clock())
                found = taken.found
                for position in taken.results:
                    result = Candidate.at(position, wanted.query)
                    await context.write(result_message(result))
                    # Results are always closer than candidates that are not results.
                    best = result if best is None or result.distance < best.distance else best
                    if interval and due and self._clock() >= due and position != taken.results[-1]:
                        await context.write(progress_message(taken.progress.up_to(position, best)))
                        due = self._clock() + interval
                if interval and due and not found and self._clock() >= due:
                    await context.write(progress_message(taken.progress))
                    due = self._clock() + interval

    async def Estimate(  # type: ignore[override]  # as for Find
        self, request: pb.HashNameRequest, context: RpcContext
    ) -> pb.SearchEstimate:
        """Return how probable an ideal candidate is, and how fast it would be searched for here."""
        client = context.client
        wanted = parse_request(request, self._allowance_of(client).maximum_hashes)
        # Some milliseconds each: too long for the event loop.
        chance = await asyncio.to_thread(Chance.of, wanted.query, wanted.start)
        rate = await asyncio.to_thread(self._searches.expected_rate, client, wanted.query)
        return estimate_message(chance, rate)
