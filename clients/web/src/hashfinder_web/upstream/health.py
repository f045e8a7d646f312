"""Whether the server serves, asked by its health service and remembered for a moment."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from hashfinder_web.upstream.channels import ChannelPool

_SECONDS = 1.0
_FRESH_SECONDS = 0.5
_CLIENT = "health"


class ServerHealth:
    """Asks the server, at most twice a second whoever asks here."""

    def __init__(
        self, pool: ChannelPool, service: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the channels and the full name of the service."""
        self._pool = pool
        self._service = service
        self._clock = clock
        self._asking = asyncio.Lock()
        self._asked_at = -_FRESH_SECONDS
        self._serves = False

    async def serves(self) -> bool:
        """Return whether the server takes searches."""
        async with self._asking:
            if self._clock() - self._asked_at >= _FRESH_SECONDS:
                self._serves = await self._ask()
                self._asked_at = self._clock()
            return self._serves

    async def _ask(self) -> bool:
        try:
            lease = self._pool.acquire(_CLIENT)
        except ValueError:
            return False
        renew = False
        try:
            stub: Any = HealthStub(lease.channel)
            request = health_pb2.HealthCheckRequest(service=self._service)
            answer = await stub.Check(request, timeout=_SECONDS)
        except grpc.aio.AioRpcError:
            renew = True
            return False
        finally:
            self._pool.release(lease, renew=renew)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
