"""The composition root: builds every part from the settings, owns the order of start and stop.

Over 250 lines, since it is the one place where all parts meet.
"""

import asyncio
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog

from hashfinder.access.access_files import AccessFiles
from hashfinder.config import Settings
from hashfinder.domain.address import is_local
from hashfinder.domain.errors import HashFinderError, WorkerDiedError
from hashfinder.kernel import Kernel
from hashfinder.lifecycle import DrainTimes, Lifecycle
from hashfinder.observability.exposition import MetricsEndpoint
from hashfinder.observability.metrics import Metrics, Readings, create_registry
from hashfinder.runtime.background import foreground
from hashfinder.runtime.cores import cpu_quota, usable_cores
from hashfinder.runtime.descriptors import affordable_connections
from hashfinder.runtime.niceness import lower_priority
from hashfinder.runtime.pacer import Pacer
from hashfinder.scheduling.admission import Admission, Limits, draining_error
from hashfinder.scheduling.hooks import WorkerHooks
from hashfinder.scheduling.scheduler import Scheduler
from hashfinder.scheduling.session import SearchService
from hashfinder.transport.access import AccessControl
from hashfinder.transport.admin import AdminServicer
from hashfinder.transport.certificates import TlsFiles
from hashfinder.transport.credentials import TlsCredentials
from hashfinder.transport.identity import ClientIdentity, identify_by
from hashfinder.transport.limits import SIDE_CONNECTIONS, ServerOptions
from hashfinder.transport.server import Server
from hashfinder.transport.servicer import METHODS, SERVICE, SearchServicer
from hashfinder.transport.status import ACCESS_REASONS

if TYPE_CHECKING:
    from hashfinder.observability.tracing import Tracing

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

_FIRST_STEP_SECONDS = 50e-6
"""How long a search is scanned on the event loop before it waits for a worker: some thousand
positions by the kernel in C. The one in Python is too slow to begin there.
"""
_UNWIND_SECONDS = 0.1
_JOIN_SECONDS = 2.0
_FLUSH_SECONDS = 1.0
"""How long the last spans may take to reach their receiver, which may hang."""
_ANSWER_SECONDS = 60.0
"""How long a client may take to fetch the last results of a search that has ended."""


class WorkersStuckError(HashFinderError):
    """A worker did not leave its chunk when the server stopped: a fault of a kernel. We act."""


class TracingError(HashFinderError):
    """Tracing cannot be set up. The operator acts."""


class Application:
    """The whole server, from its settings. Create it on the event loop that runs it."""

    def __init__(
        self,
        settings: Settings,
        kernel: Kernel,
        log_lines_dropped: Callable[[], int] = lambda: 0,
    ) -> None:
        """Build all parts and bind all addresses; nothing is served or searched before `start`.

        Raises:
            AccessFileError: the tokens or the policy are not valid.
            BindError, MetricsBindError: an address cannot be listened on.
        """
        self._loop = asyncio.get_running_loop()
        self.lifecycle = Lifecycle(self, DrainTimes(settings.drain_delay, settings.drain_grace))
        registry = create_registry()
        self._metrics = metrics = Metrics(registry)
        clock = time.monotonic
        self._access_files = files = AccessFiles(
            settings.tokens,
            settings.policy,
            settings.allowance,
            certificates=settings.tls_client_ca is not None,
        )
        identity = ClientIdentity(settings.client_identity)
        access = AccessControl(
            files,
            identify_by(identity, settings.client_ipv6_prefix),
            certificates=settings.tls_client_ca is not None,
        )
        self._scheduler = scheduler = Scheduler(
            kernel,
            settings.workers or usable_cores(),
            access.allowance_of,
            metrics,
            chunk_seconds=settings.chunk_seconds,
            first_step_seconds=_FIRST_STEP_SECONDS if _is_quick(kernel) else 0.0,
            hooks=WorkerHooks(lower_priority, Pacer(cpu_quota()).pause, self._worker_died),
            clock=clock,
        )
        limits = Limits(
            searches=settings.maximum_searches,
            waiting=settings.maximum_waiting,
            wait_seconds=settings.wait_seconds,
        )
        self._admission = admission = Admission(
            limits, access.allowance_of, scheduler.quota_delay, clock
        )
        searches = SearchService(admission, scheduler, access.allowance_of, foreground)
        servicer = SearchServicer(
            searches,
            access.allowance_of,
        )
        sides = sum(map(bool, (settings.health_listen, settings.admin_listen)))
        connections = affordable_connections(
            settings.maximum_connections, others=sides * SIDE_CONNECTIONS
        )
        if connections < settings.maximum_connections:
            _log.info("fewer connections: RLIMIT_NOFILE is too low", connections=connections)
        allowances = [rule.allowance for rule in files.policy.rules]
        longest = max(each.maximum_seconds for each in allowances)
        options = ServerOptions(
            settings.address,
            pending_rpcs=2 * (settings.maximum_searches + settings.maximum_waiting) + 10_000,
            searches_per_client=max(each.searches for each in allowances),
            connections=connections,
            keepalive_seconds=settings.keepalive_seconds,
            connection_age_seconds=settings.connection_age_seconds,
            longest_rpc_seconds=settings.wait_seconds + longest + _ANSWER_SECONDS,
            health=settings.side_address("health_listen"),
            admin=settings.side_address("admin_listen"),
        )
        credentials = _credentials(settings)
        if credentials is not None:
            metrics.describe_tls(credentials)
        self._endpoint: MetricsEndpoint | None = None
        if settings.metrics:
            self._endpoint = MetricsEndpoint(
                settings.host,
                settings.metrics_port,
                registry,
                None if credentials is None else credentials.metrics_context,
            )
        self._tracing = _tracing(kernel.backend) if settings.tracing else None
        # Last of all that can fail: a socket has a file.
        self._server = Server(
            servicer,
            metrics,
            options,
            kernel.backend,
            access,
            self.lifecycle.fail,
            credentials,
            AdminServicer(searches.registry, self.lifecycle.ask_to_stop),
            self._tracing,
        )
        self._is_private = credentials is not None or is_local(settings.address)
        self._kernel = kernel
        self._following: asyncio.Task[None] | None = None
        self._log_lines_dropped = log_lines_dropped
        self._describe(metrics)

    @property
    def address(self) -> str:
        """Where gRPC is served, as HOST:PORT or unix:/path."""
        return self._server.address

    @property
    def admin_address(self) -> str | None:
        """Where operators are served, as HOST:PORT or unix:/path; None for nowhere."""
        return self._server.admin_address

    @property
    def metrics_address(self) -> str | None:
        """Where metrics are served, as HOST:PORT; None where they are not."""
        return None if self._endpoint is None else self._endpoint.address

    @property
    def metrics_url(self) -> str | None:
        """Where the page of metrics is; None where there is none."""
        return None if self._endpoint is None else self._endpoint.url

    @property
    def backend(self) -> str:
        """The name of the kernel in use."""
        return self._kernel.backend

    @property
    def workers(self) -> int:
        """The number of threads that search."""
        return self._scheduler.workers

    async def start(self) -> None:
        """Begin to search and to serve.

        Raises:
            WorkerStartError: a worker thread cannot start.
        """
        if _is_quick(self._kernel):
            self._scheduler.calibrate()
        self._scheduler.start()
        await self._server.start()
        if not self._is_private:
            _log.warning("plain text: it can be read and changed on the network", grpc=self.address)
        self._following = asyncio.ensure_future(self._access_files.follow(self._metrics.reloaded))
        _log.info(
            "serving",
            grpc=self.address,
            health=self._server.health_address,
            admin=self._server.admin_address,
            metrics=self.metrics_address,
            kernel=self.backend,
            workers=self.workers,
            version=version("hashfinder"),
        )

    async def refuse_traffic(self) -> None:
        """Step 1 of the drain: NOT_SERVING."""
        self._server.refuse_traffic()

    def refuse_searches(self) -> None:
        """Step 2: refuse new and waiting searches."""
        self._admission.close()

    async def searches_ended(self) -> None:
        """Step 3: wait for the searches under way."""
        await self._server.searches_ended()

    def stop_searches(self) -> None:
        """Step 4: stop the remaining searches; their clients receive where to resume."""
        self._scheduler.stop_all(draining_error)

    async def stop_serving(self) -> None:
        """Step 5: close the connections."""
        if self._following is not None:
            self._following.cancel()
        await self._server.stop()
        # gRPC does not wait for the handlers that it cancels.
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=_UNWIND_SECONDS)

    def release(self) -> None:
        """Step 6: join the workers, send the last spans, close the metrics.

        Raises:
            WorkersStuckError: a worker is still scanning.
        """
        joined = self._scheduler.close(_JOIN_SECONDS)
        if self._tracing is not None:
            self._tracing.close(_FLUSH_SECONDS)
        if self._endpoint is not None:
            self._endpoint.close()
        if not joined:
            message = f"a worker was still scanning {_JOIN_SECONDS:g} s after the last search ended"
            raise WorkersStuckError(message)

    def discard(self) -> None:
        """Remove files that outlive the process. For one that ends at once: from any thread."""
        self._server.discard()

    def _worker_died(self, error: BaseException) -> None:
        """Drain and fail: what a worker did not expect may have left more than itself broken."""
        _log.error("worker died", exc_info=error)
        self._loop.call_soon_threadsafe(self._lose_worker)

    def _lose_worker(self) -> None:
        self.lifecycle.fail(WorkerDiedError())
        if not self._scheduler.statistics().workers:  # no worker is left to search in the grace
            self._admission.close()
            self._scheduler.stop_all(draining_error)

    def _describe(self, metrics: Metrics) -> None:
        metrics.announce(SERVICE, METHODS)
        metrics.announce_access(ACCESS_REASONS, self._access_files.names)
        metrics.describe_build(version("hashfinder"), self.backend)
        metrics.on_scrape(self._readings)

    def _readings(self) -> Readings:
        now = self._scheduler.statistics()
        return Readings(
            hashes=now.hashes,
            searches_active=now.active,
            searches_parked=now.parked,
            searches_queued=self._admission.waiting,
            clients=now.clients,
            workers=now.workers,
            workers_busy=now.workers_busy,
            accept_loops_replaced=self._server.accept_loops_replaced,
            worker_deaths=now.worker_deaths,
            draining=self.lifecycle.state == "draining",
            log_lines_dropped=self._log_lines_dropped(),
        )


def _credentials(settings: Settings) -> TlsCredentials | None:
    """Return the credentials of the public port; None for plain text.

    Raises:
        CertificateError: a file cannot be used.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return TlsCredentials(
        TlsFiles(
            settings.tls_certificate,
            settings.tls_key,
            settings.tls_client_ca,
            settings.metrics_client_ca,
        )
    )


def _tracing(backend: str) -> "Tracing":
    """Return what makes spans.

    Raises:
        TracingError: OpenTelemetry cannot use one of its variables.
    """
    try:
        from hashfinder.observability.tracing import Tracing  # noqa: PLC0415  # an extra

        return Tracing(backend)
    except Exception as error:
        message = f"--tracing: OpenTelemetry cannot use its variables, OTEL_...: {error}"
        raise TracingError(message) from error


def _is_quick(kernel: Kernel) -> bool:
    return kernel.backend.startswith("native")
