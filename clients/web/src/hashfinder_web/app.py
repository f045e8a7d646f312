"""The composition root: builds every part from the settings, owns the order of start and stop."""

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog

from hashfinder_process.settings import SettingsInvalidError
from hashfinder_proto import hash_name_pb2
from hashfinder_web.calls import Calls
from hashfinder_web.config import Settings
from hashfinder_web.connect.routes import ConnectRoutes
from hashfinder_web.files import load_files
from hashfinder_web.find.route import FindRoute
from hashfinder_web.gateway import Gateway
from hashfinder_web.guard import Guard
from hashfinder_web.http_server import HttpServer
from hashfinder_web.listener import listen
from hashfinder_web.metrics import Metrics
from hashfinder_web.remembered import Remembered
from hashfinder_web.site import Site
from hashfinder_web.upstream.channels import ChannelPool
from hashfinder_web.upstream.health import ServerHealth
from hashfinder_web.upstream.metrics import ServerMetrics
from hashfinder_web.upstream.rpc import Upstream

if TYPE_CHECKING:
    from hashfinder_web.tracing import Tracing

_SERVICE = hash_name_pb2.DESCRIPTOR.services_by_name["HashFinder"]
_FLUSH_SECONDS = 1.0
"""How long the last spans may take to reach their receiver, which may hang."""
_END_SECONDS = 1.0
"""For calls that were ended to send their end."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Application:
    """The whole gateway, from its settings. Create it on the event loop that runs it."""

    def __init__(
        self, settings: Settings, log_lines_dropped: Callable[[], int] = lambda: 0
    ) -> None:
        """Build all parts and bind the port; nothing is served before `run`.

        Raises:
            SettingsInvalidError: a file of TLS, or of the token, cannot be used.
            BindError: the address cannot be listened on.
        """
        self._settings = settings
        self._listeners = listen(settings.host, settings.port, settings.peer_seconds)
        bracketed = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.address = f"{bracketed}:{self._listeners[0].getsockname()[1]}"
        """Where it is served, as HOST:PORT."""
        security = settings.security
        self._pool = ChannelPool(settings.server, security)
        self._calls = calls = Calls(settings.maximum_searches)
        metrics = Metrics()
        self._server_serves = Remembered(ServerHealth(self._pool, _SERVICE.full_name).serves)
        self._tracing = _tracing() if settings.tracing else None
        gateway = Gateway(
            Upstream(self._pool, settings.token),
            calls,
            metrics,
            settings.maximum_seconds,
            names_clients=settings.on_behalf_of,
            tracer=self._tracing,
        )

        servers = ServerMetrics(settings.metrics_url, security)

        async def exposition() -> bytes:
            theirs = await asyncio.to_thread(servers.text)
            return (theirs + metrics.exposition()).encode()

        site = Site(
            Guard(settings.host_names),
            [ConnectRoutes(_SERVICE, gateway), FindRoute(_SERVICE, gateway)],
            load_files(),
            self._is_ready,
            Remembered(exposition),
        )
        self._http = HttpServer(site, settings.maximum_connections, settings.peer_seconds)
        metrics.announce("connect", [each.name for each in _SERVICE.methods])
        metrics.announce("find", ["FindRange"])
        metrics.watch("calls_active", "Calls under way.", lambda: len(calls))
        metrics.watch("connections", "Connections of clients.", lambda: self._http.connections)
        metrics.watch("channels", "Channels to the server.", lambda: len(self._pool))
        metrics.watch("log_lines_dropped", "Log lines lost so far.", log_lines_dropped)

    async def run(self, asked: asyncio.Event) -> None:
        """Serve until `asked`; then let calls end, end the rest, close the connections."""
        serving = asyncio.create_task(self._http.serve(self._listeners))
        _log.info(
            "serving",
            http=self.address,
            server=self._settings.server,
            version=version("hashfinder-web"),
        )
        asking = asyncio.create_task(asked.wait())
        await asyncio.wait((serving, asking), return_when=asyncio.FIRST_COMPLETED)
        asking.cancel()
        _log.info("draining", grace=self._settings.drain_grace)
        self._calls.refuse()
        if not await self._calls_ended(self._settings.drain_grace):
            self._calls.end_all()
            await self._calls_ended(_END_SECONDS)
        self._http.stop()
        await serving
        await self._pool.close()
        if self._tracing is not None:
            self._tracing.close(_FLUSH_SECONDS)
        _log.info("stopped")

    async def _calls_ended(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._calls.ended()
        except TimeoutError:
            return False
        return True

    async def _is_ready(self) -> bool:
        return not self._calls.draining and await self._server_serves.value()


def _tracing() -> "Tracing":
    """Return what makes spans.

    Raises:
        SettingsInvalidError: OpenTelemetry cannot use one of its variables.
    """
    try:
        from hashfinder_web.tracing import Tracing  # noqa: PLC0415  # of the extra `tracing`

        return Tracing()
    except Exception as error:
        message = f"--tracing: OpenTelemetry cannot use its variables, OTEL_...: {error}"
        raise SettingsInvalidError(message) from error
