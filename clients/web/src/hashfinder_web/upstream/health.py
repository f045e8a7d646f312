"""Whether the server serves, as its health service says."""

from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from hashfinder_web.upstream.channels import ChannelPool

_SECONDS = 1.0
_CLIENT = "health"


class ServerHealth:
    """Asks the server."""

    def __init__(self, pool: ChannelPool, service: str) -> None:
        """Take the channels and the full name of the service."""
        self._pool = pool
        self._service = service

    async def serves(self) -> bool:
        """Return whether the server takes searches."""
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
