"""The composition root: behaviour that needs the whole application."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from urllib.request import urlopen

import grpc
import pytest

from hashfinder.app import Application, WorkersStuckError
from hashfinder.config import Settings
from hashfinder.kernel import load_kernel
from hashfinder.lifecycle import State
from hashfinder.observability.exposition import MetricsBindError
from hashfinder.transport.listener import BindError
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.unit.scheduling.gate_kernel import GateKernel

HOPELESS = HashNameRequest(desired_name="hopelessly-long", ideal_hamming_distance=1)


def settings(port: int = 0, metrics_port: int = 0) -> Settings:
    """Return settings for a server on free ports that drains at once."""
    return Settings(port=port, metrics_port=metrics_port, workers=2, drain_grace=0)


@pytest.fixture
def kernel() -> GateKernel:
    """Return a kernel that waits for the test."""
    return GateKernel()


@pytest.fixture
async def application(kernel: GateKernel) -> AsyncIterator[Application]:
    """Run a server on the test's event loop."""
    application = Application(settings(), kernel)
    await application.start()
    yield application
    kernel.open()
    application.lifecycle.ask_to_stop()
    if application.lifecycle.state is State.STARTING:
        await application.lifecycle.run()


async def gauges(application: Application) -> dict[str, float]:
    """Return the gauges of searches and workers from /metrics."""

    def read() -> str:
        url = f"http://{application.metrics_address}/metrics"
        with urlopen(url, timeout=10) as response:  # our own
            page: str = response.read().decode()
        return page

    names = ("active", "parked", "queued", "workers", "busy", "draining")
    lines = [line.split() for line in (await asyncio.to_thread(read)).splitlines()]
    return {
        name: float(line[1])
        for line in lines
        for name in names
        if line[0].startswith("hashfinder_") and line[0].endswith(name)
    }


async def test_gauges_show_what_is_under_way(application: Application, kernel: GateKernel) -> None:
    """The gauges have the values of the moment of the scrape."""
    idle = {"active": 0, "parked": 0, "queued": 0, "workers": 2, "busy": 0, "draining": 0}
    assert idle == await gauges(application)
    async with grpc.aio.insecure_channel(application.address) as channel:
        call = HashFinderStub(channel).Find(HOPELESS)
        for _ in range(2):
            await asyncio.to_thread(kernel.next)
        assert {**idle, "active": 1, "busy": 2} == await gauges(application)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)


async def test_worker_that_hangs_is_reported_when_the_server_stops(
    application: Application, kernel: GateKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that does not return is a fault, so the exit is not clean."""
    monkeypatch.setattr("hashfinder.app._JOIN_SECONDS", 0.01)
    async with grpc.aio.insecure_channel(application.address) as channel:
        call = HashFinderStub(channel).Find(HOPELESS)
        await asyncio.to_thread(kernel.next)
        application.lifecycle.ask_to_stop()
        with pytest.raises(WorkersStuckError):
            await application.lifecycle.run()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert grpc.StatusCode.UNAVAILABLE is caught.value.code()


@pytest.mark.parametrize(
    ("taken", "error"), [("port", BindError), ("metrics_port", MetricsBindError)]
)
async def test_port_in_use_is_reported(taken: str, error: type[Exception]) -> None:
    """Before anything is served, with the port and the reason."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(error, match=rf"127\.0\.0\.1:{port}: .*in use"):
            Application(settings(**{taken: port}), load_kernel("python"))


async def test_nothing_is_searched_before_the_start() -> None:
    """Before the start there are no threads, but the addresses are known."""
    application = Application(settings(), load_kernel("python"))
    assert not [t for t in threading.enumerate() if t.name.startswith("hashfinder-worker")]
    assert application.address.startswith("127.0.0.1:")
    assert not application.address.endswith(":0")
    assert not str(application.metrics_address).endswith(":0")
    assert ("python", 2) == (application.backend, application.workers)
    await application.start()
    application.lifecycle.ask_to_stop()
    await application.lifecycle.run()
    assert State.STOPPED == application.lifecycle.state
