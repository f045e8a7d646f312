"""grpc.health.v1, with watchers that do not depend on each other.

The library's servicer holds one lock while it writes to each watcher: one that does not read holds
up all others, and every change of a status. Here a watcher is a loop that waits for a change and
writes the latest status. What `Check`, `Watch` and `List` answer is the same.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

HEALTH_SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
MOST_WATCHERS = 1024
"""How many RPCs watch at once; the next one is refused."""
MOST_WATCHERS_PER_CLIENT = 256
"""How many of them one client may have, so that it leaves room for others."""

_Response = health_pb2.HealthCheckResponse
_Context: TypeAlias = (
    "grpc.aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]"
)


class Health(health_pb2_grpc.HealthServicer):
    """The status of each service, by its full name; ``""`` is the server itself."""

    def __init__(
        self,
        identify: Callable[[str], str],
        most_watchers: int = MOST_WATCHERS,
        most_watchers_per_client: int = MOST_WATCHERS_PER_CLIENT,
    ) -> None:
        """Begin with the server SERVING, and no service known.

        `identify` returns the client of a peer.
        """
        self._identify = identify
        self._most_watchers = most_watchers
        self._most_watchers_per_client = most_watchers_per_client
        self._statuses: dict[str, int] = {"": _Response.SERVING}
        self._changed = asyncio.Event()  # set, and replaced, at every change
        self._watchers: Counter[str] = Counter()  # by client; one without any has no entry

    def set(self, service: str, *, serving: bool) -> None:
        """Change a status at once; the watchers learn of it on the next turn of the loop."""
        self._statuses[service] = _Response.SERVING if serving else _Response.NOT_SERVING
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(  # noqa: N802  # the RPC's name
        self, request: health_pb2.HealthCheckRequest, context: _Context
    ) -> health_pb2.HealthCheckResponse:
        """Return the status of a service; NOT_FOUND if it is unknown."""
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return _Response(status=status)

    async def List(self, _request: object, _context: object) -> object:  # noqa: N802  # the RPC's name
        """Return the status of every service."""
        statuses = {name: _Response(status=status) for name, status in self._statuses.items()}
        untyped: Any = health_pb2  # its types do not know this RPC yet
        return untyped.HealthListResponse(statuses=statuses)

    async def Watch(  # noqa: N802  # the RPC's name
        self, request: health_pb2.HealthCheckRequest, context: _Context
    ) -> None:
        """Stream the status of a service, now and after every change; RESOURCE_EXHAUSTED if full.

        Both the server's watchers and those of each client are bounded.
        A client that reads slowly gets the latest status, not every one.
        """
        client = self._identify(context.peer())
        if self._watchers.total() >= self._most_watchers:
            message = f"the server has {self._most_watchers} health watchers, the most it accepts"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        if self._watchers[client] >= self._most_watchers_per_client:
            most = self._most_watchers_per_client
            message = f"the client has {most} health watchers, the most that one client may have"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        self._watchers[client] += 1
        try:
            await self._watch(request.service, context)
        finally:
            self._watchers[client] -= 1
            if not self._watchers[client]:
                del self._watchers[client]

    async def _watch(self, service: str, context: _Context) -> None:
        written = None
        while True:
            changed = self._changed  # taken first: a change during the write is not missed
            status = self._statuses.get(service, _Response.SERVICE_UNKNOWN)
            if status != written:
                await context.write(_Response(status=status))
                written = status
            await changed.wait()
