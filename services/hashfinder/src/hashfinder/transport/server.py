"""The gRPC server: its options, its services, its port."""

import asyncio
import socket
from dataclasses import dataclass

import grpc
import structlog
from grpc_health.v1 import health_pb2

from hashfinder.domain.errors import HashFinderError
from hashfinder.transport.discovery import add_health, add_reflection
from hashfinder.transport.interceptors import RpcInterceptor, RpcReporter
from hashfinder.transport.servicer import SERVICE, SearchServicer
from hashfinder_proto.hash_name_pb2_grpc import add_HashFinderServicer_to_server

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

_LARGEST_REQUEST_BYTES = 64 * 1024
_LONGEST_PENDING_SECONDS = 3600
_NO_BOUND_MS = 2**31 - 1
"""How gRPC writes a time that does not end."""
_HEALTH_SERVICE = "grpc.health.v1.Health"
_HEALTH_SECONDS = 1.0
"""How long a change of the health status may take: a watcher that does not read holds it up."""


class BindError(HashFinderError):
    """The address cannot be listened on. The operator acts."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the operator decides about the transport."""

    host: str
    port: int
    """0: any free one."""
    pending_rpcs: int
    """How many RPCs gRPC itself may hold back before it drops them without a word of ours."""
    keepalive_seconds: float
    """After how much silence a connection is probed, so that a dead peer frees its search."""
    connection_age_seconds: int
    """After how long a client is asked to reconnect, so that new servers get work; 0: never."""
    longest_rpc_seconds: float
    """How long the RPCs of a connection that has aged may go on."""


class Server:
    """Serves searches, health and reflection on one port."""

    def __init__(
        self, servicer: SearchServicer, reporter: RpcReporter, options: ServerOptions, backend: str
    ) -> None:
        """Bind the port; nothing is served before `start`. Every RPC's trailer names the `backend`.

        Raises:
            BindError: the address is in use, or not ours.
        """
        keepalive_ms = int(options.keepalive_seconds * 1000)
        grace_ms = min(int(options.longest_rpc_seconds * 1000), _NO_BOUND_MS)
        age_ms = options.connection_age_seconds * 1000 or _NO_BOUND_MS
        self._interceptor = RpcInterceptor(reporter, SERVICE, backend)
        self._server = grpc.aio.server(
            interceptors=[self._interceptor],
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.enable_channelz", 1),
                ("grpc.max_receive_message_length", _LARGEST_REQUEST_BYTES),
                ("grpc.server.max_pending_requests", options.pending_rpcs),
                ("grpc.server.max_pending_requests_hard_limit", options.pending_rpcs),
                # Else one that waits 30 s for the event loop is dropped, as CANCELLED.
                ("grpc.server_max_unrequested_time_in_server", _LONGEST_PENDING_SECONDS),
                ("grpc.keepalive_time_ms", keepalive_ms),
                ("grpc.keepalive_timeout_ms", keepalive_ms),
                ("grpc.http2.ping_timeout_ms", keepalive_ms),  # else it may take a minute
                ("grpc.keepalive_permit_without_calls", 1),
                # At that age, give or take a tenth, a connection takes no new RPC and ends with its
                # last one, for which it waits longer than any takes.
                ("grpc.max_connection_age_ms", age_ms),
                ("grpc.max_connection_age_grace_ms", grace_ms),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ],
        )
        add_HashFinderServicer_to_server(servicer, self._server)
        self._health = add_health(self._server)
        add_reflection(self._server, SERVICE, _HEALTH_SERVICE)
        host = f"[{options.host}]" if ":" in options.host else options.host
        try:
            _check_bindable(options.host, options.port)
            self.port = self._server.add_insecure_port(f"{host}:{options.port}")
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            message = f"cannot listen on {host}:{options.port}: {reason}"
            raise BindError(message) from error
        self.address = f"{host}:{self.port}"

    async def start(self) -> None:
        """Begin to serve."""
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        await self._health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()

    async def refuse_traffic(self) -> None:
        """Say NOT_SERVING for the service; the server itself stays SERVING: it is alive."""
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                await self._health.set(SERVICE, health_pb2.HealthCheckResponse.NOT_SERVING)
        except TimeoutError:
            _log.warning("a health watcher does not read")

    async def searches_ended(self) -> None:
        """Return when no search is under way, and every client has its status."""
        await self._interceptor.searches_ended()

    async def stop(self) -> None:
        """Close the port and all connections; cancel what is left, a health watch above all."""
        self._interceptor.hang_up()
        await self._server.stop(None)


def _check_bindable(host: str, port: int) -> None:
    """Raise an OSError that tells why an address cannot be listened on; gRPC's does not."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host, port), family=family).close()
