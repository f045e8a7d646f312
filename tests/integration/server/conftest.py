"""Servers for the server's tests: a process that most share, and in-process applications."""

import asyncio
import os
import random
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import pytest
import structlog
from prometheus_client import CollectorRegistry
from structlog.typing import EventDict

from hashfinder.app import Application
from hashfinder.config import Settings
from hashfinder.kernel import Kernel
from hashfinder.observability.metrics import create_registry
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.samples import Samples
from tests.integration.server.kernels import IdleKernel
from tests.integration.server_process import RunServer, ServerProcess

if TYPE_CHECKING:
    from hashfinder_proto.hash_name_pb2_grpc import HashFinderAsyncStub  # exists for types alone

_STOP_SECONDS = 15.0


@pytest.fixture(scope="session")
def shared_server(run_server: RunServer) -> Iterator[ServerProcess]:
    """Run one server for all tests that do not stop it."""
    with run_server("--workers", "1", "--keepalive-seconds", "5") as server:
        yield server


@pytest.fixture
def server(shared_server: ServerProcess) -> Iterator[ServerProcess]:
    """The shared server; a test must leave it idle."""
    yield shared_server
    shared_server.wait_until_idle()


@pytest.fixture
def stub(server: ServerProcess) -> Iterator[HashFinderStub]:
    """A blocking stub of the shared server, on its own connection."""
    with server.stub() as stub:
        yield stub


@pytest.fixture
def chance() -> random.Random:
    """Random numbers; set TEST_SEED in the environment to repeat a failed test."""
    seed = int(os.environ.get("TEST_SEED", secrets.randbits(32)))
    print(f"TEST_SEED={seed}")  # noqa: T201  # shown when the test fails
    return random.Random(seed)  # noqa: S311  # no secret


class RunningApplication:
    """An application on the test's own event loop, with a client."""

    def __init__(
        self, application: Application, registry: CollectorRegistry, channel: grpc.aio.Channel
    ) -> None:
        """Store the application, its metrics, and a channel to it."""
        self.application = application
        self.channel = channel
        self.stub: HashFinderAsyncStub = HashFinderStub(channel)
        self._registry = registry

    def samples(self) -> Samples:
        """Return the metrics' current values; works even after /metrics is closed."""
        return Samples.of(self._registry.collect())

    async def eventually(
        self, condition: Callable[[Samples], bool], what: str, seconds: float = 10.0
    ) -> Samples:
        """Return the first scrape for which `condition` holds; fail after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while not condition(samples := self.samples()):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)  # a metric sends no event when it changes
        except TimeoutError:
            pytest.fail(f"not within {seconds:g} s: {what}")
        return samples

    async def active(self, count: int) -> None:
        """Return when `count` searches are under way."""
        await self.eventually(
            lambda samples: samples.value("hashfinder_searches_active") == count,
            f"{count} searches under way",
        )


StartApplication = Callable[..., Awaitable[RunningApplication]]


@asynccontextmanager
async def _running(kernel: Kernel, settings: Settings) -> AsyncIterator[RunningApplication]:
    registry = create_registry()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hashfinder.app.create_registry", lambda: registry)
        application = Application(settings, kernel)
    await application.start()
    life = asyncio.ensure_future(application.lifecycle.run())
    try:
        async with grpc.aio.insecure_channel(
            application.address, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            yield RunningApplication(application, registry, channel)
    finally:
        application.lifecycle.ask_to_stop()
        async with asyncio.timeout(_STOP_SECONDS):
            await life


@pytest.fixture
async def application(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[StartApplication]:
    """Start applications with a kernel and settings that the test chooses, until its end."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HASHFINDER_{name.upper()}", raising=False)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)  # as the real process does
    async with AsyncExitStack() as applications:

        async def start(kernel: Kernel | None = None, **settings: object) -> RunningApplication:
            defaults = {"port": 0, "metrics_port": 0, "workers": 2, "drain_grace": 0.0}
            given = Settings.model_validate({**defaults, **settings})
            return await applications.enter_async_context(_running(kernel or IdleKernel(), given))

        yield start
    sys.setswitchinterval(interval)


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    """The log lines of in-process applications."""
    with structlog.testing.capture_logs() as lines:
        yield lines
