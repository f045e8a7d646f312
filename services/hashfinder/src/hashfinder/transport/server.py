"""The gRPC server: its services behind one address."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc

from hashfinder.domain.address import ListenAddress
from hashfinder.domain.errors import HashFinderError
from hashfinder.transport.access import AccessControl, OpenAccess
from hashfinder.transport.adapt import Handler
from hashfinder.transport.admin import ADMIN_SERVICE, AdminServicer
from hashfinder.transport.core import create_server
from hashfinder.transport.credentials import TlsCredentials
from hashfinder.transport.health import HEALTH_SERVICE, Health
from hashfinder.transport.interceptor import RpcInterceptor
from hashfinder.transport.limits import ServerOptions, channel_arguments, side_options
from hashfinder.transport.listener import Listener
from hashfinder.transport.reflection import add_reflection
from hashfinder.transport.report import RpcReporter, RpcTracer
from hashfinder.transport.servicer import SERVICE, SearchServicer
from hashfinder_proto.hash_name_admin_pb2_grpc import add_HashFinderAdminServicer_to_server
from hashfinder_proto.hash_name_pb2_grpc import add_HashFinderServicer_to_server


class Server:
    """Serves searches, health and reflection on one address, and health on others."""

    def __init__(  # noqa: PLR0913, PLR0917  # one for each part
        self,
        servicer: SearchServicer,
        reporter: RpcReporter,
        options: ServerOptions,
        backend: str,
        access: AccessControl,
        on_failure: Callable[[HashFinderError], None],
        credentials: TlsCredentials | None,
        admin: AdminServicer,
        tracer: RpcTracer | None = None,
    ) -> None:
        """Bind all addresses; nothing is served before `start`. Every trailer names the `backend`.

        `access` decides who may do what, where searches are served.
        `on_failure` is called if an address is lost for good: no client can connect any more.
        Without `credentials` searches are served in plain text. `admin` serves operators.
        `tracer` makes spans of the RPCs that search; None for none.

        Raises:
            BindError: an address is in use, or not ours.
        """
        self._options = options
        self._admin = admin
        self._servicer = servicer
        self._interceptor = RpcInterceptor(reporter, SERVICE, backend, access, tracer=tracer)
        self._health = Health(access.identify)
        self._health.set(SERVICE, serving=True)
        self._credentials = credentials
        self._side_interceptor = RpcInterceptor(
            reporter, SERVICE, backend, OpenAccess(access.identify)
        )
        public = Listener(
            self._build,
            options.address,
            on_failure,
            None if credentials is None else credentials.create,
        )
        self._listeners = [public]
        self.address = str(public.address)
        """Where searches are served."""
        self.health_address = self._listen_aside(options.health, self._build_health, on_failure)
        """Where health alone is served; None if nowhere."""
        self.admin_address = self._listen_aside(options.admin, self._build_admin, on_failure)
        """Where operators are served; None if nowhere."""

    @property
    def accept_loops_replaced(self) -> int:
        """How many times gRPC's accept loop ended by itself, and was replaced."""
        return sum(listener.replaced for listener in self._listeners)

    async def start(self) -> None:
        """Begin to serve."""
        for listener in self._listeners:
            await listener.start()
        if self._credentials is not None:
            self._credentials.watch()

    def refuse_traffic(self) -> None:
        """Say NOT_SERVING for the service; the server itself stays SERVING: it is alive."""
        self._health.set(SERVICE, serving=False)

    async def searches_ended(self) -> None:
        """Return when no search is under way, and every client has its status."""
        await self._interceptor.searches_ended()

    async def stop(self) -> None:
        """Close all addresses and connections, within some seconds; cancel what is left."""
        self._interceptor.hang_up()
        if self._credentials is not None:
            self._credentials.stop()
        await asyncio.gather(*(listener.stop() for listener in self._listeners))

    def discard(self) -> None:
        """Remove the files of unix sockets. For a process that ends at once: from any thread."""
        for listener in self._listeners:
            listener.discard()

    def _listen_aside(
        self,
        address: ListenAddress | None,
        build: Callable[[], grpc.aio.Server],
        on_failure: Callable[[HashFinderError], None],
    ) -> str | None:
        if address is None:
            return None
        try:
            self._listeners.append(Listener(build, address, on_failure))
        except HashFinderError:
            self.discard()
            raise
        return str(self._listeners[-1].address)

    def _build(self) -> grpc.aio.Server:
        server = create_server(channel_arguments(self._options))
        self._interceptor.watch_servers()
        methods: Any = _Methods(server, self._interceptor)
        add_HashFinderServicer_to_server(self._servicer, methods)
        add_HashFinderAdminServicer_to_server(self._admin, methods)  # for a role that may
        health_pb2_grpc.add_HealthServicer_to_server(self._health, methods)
        add_reflection(methods, SERVICE, HEALTH_SERVICE)
        return server

    def _build_health(self) -> grpc.aio.Server:
        return self._build_aside()[0]

    def _build_admin(self) -> grpc.aio.Server:
        server, methods = self._build_aside()
        add_HashFinderAdminServicer_to_server(self._admin, methods)
        add_reflection(methods, ADMIN_SERVICE, HEALTH_SERVICE)
        return server

    def _build_aside(self) -> tuple[grpc.aio.Server, Any]:
        server = create_server(channel_arguments(side_options(self._options)))
        methods: Any = _Methods(server, self._side_interceptor)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, methods)
        return server, methods


class _Methods:
    """Registers the methods of services with a server, each one intercepted."""

    def __init__(self, server: grpc.aio.Server, interceptor: RpcInterceptor) -> None:
        self._to = server
        self._interceptor = interceptor

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Take nothing: generated code also registers each method."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Register the methods of a service."""
        intercept = self._interceptor.intercept
        intercepted = {name: intercept(service, name, each) for name, each in handlers.items()}
        self._to.add_registered_method_handlers(service, intercepted)
