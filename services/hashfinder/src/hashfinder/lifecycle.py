"""The life of the server as a state machine: starting, serving, draining, stopped."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import structlog

from hashfinder.domain.errors import HashFinderError
from hashfinder_process.entry import take_signals

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

_LINGER_SECONDS = 0.5
"""How long a server refuses searches, at least, before it hangs up.

While it hangs up, gRPC answers new RPCs with CANCELLED. Clients that received a time to retry send
none then.
"""


class State(StrEnum):
    """Where the server is in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    STOPPED = "stopped"


class Drainable(Protocol):
    """What a drain does, step by step."""

    async def refuse_traffic(self) -> None:
        """Tell load balancers to send nothing more; what comes is still served."""

    def refuse_searches(self) -> None:
        """Refuse new searches and those that wait."""

    async def searches_ended(self) -> None:
        """Return when no search is running."""

    def stop_searches(self) -> None:
        """Stop the searches under way; each client receives where to resume."""

    async def stop_serving(self) -> None:
        """Close the port and every connection."""

    def release(self) -> None:
        """Join the workers and close what is left. Nothing else happens on the loop meanwhile."""


@dataclass(frozen=True, slots=True)
class DrainTimes:
    """How long each step of a drain may take, in seconds."""

    delay: float
    """Between NOT_SERVING and refusing searches, for load balancers to notice."""
    grace: float
    """For the searches under way to end by themselves."""
    margin: float = 2.0
    """After that, for clients to receive their status, and for the workers to end."""

    @property
    def cap(self) -> float:
        """How long all of them may take: a longer drain is a fault, and the process ends."""
        return self.delay + self.grace + 3 * self.margin


class Lifecycle:
    """Drives one server from its first signal to its end."""

    def __init__(
        self, server: Drainable, times: DrainTimes, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take what to drain, and how long it may take."""
        self.state = State.STARTING
        self._server = server
        self._times = times
        self._clock = clock
        self._asked = asyncio.Event()
        self._failure: HashFinderError | None = None
        self._limit: Callable[[float], None] = lambda _seconds: None
        self._loop: asyncio.AbstractEventLoop | None = None

    def take_signals(self, limit: Callable[[float], None], leave: Callable[[int], None]) -> None:
        """Drain on the first SIGINT or SIGTERM; `leave` with 128 + its number on a later one.

        Whatever begins the drain, `limit` is called with the seconds that it may take: at a signal
        in the handler itself, so that a server whose event loop is blocked ends, too.
        """
        self._loop = loop = asyncio.get_running_loop()
        self._limit = limit

        def drain(signum: int) -> None:
            limit(self._times.cap)
            _log.info("signal", name=signal.Signals(signum).name)
            loop.call_soon_threadsafe(self.ask_to_stop)

        take_signals(drain, leave, self._clock)

    def stdin_ended(self) -> None:
        """Let `run` drain, within the time that it has after a signal. From any thread."""
        assert self._loop is not None  # noqa: S101  # signals are taken before
        self._limit(self._times.cap)
        _log.info("stdin ended")
        with suppress(RuntimeError):  # it has stopped
            self._loop.call_soon_threadsafe(self.ask_to_stop)

    def ask_to_stop(self) -> None:
        """Let `run` drain."""
        self._asked.set()

    def fail(self, error: HashFinderError) -> None:
        """Let `run` drain, and raise `error` when it has."""
        self._failure = self._failure or error
        self.ask_to_stop()

    async def run(self) -> None:
        """Serve until asked to stop, then drain.

        Raises:
            HashFinderError: what the server failed with.
        """
        self.state = State.SERVING
        await self._asked.wait()
        self.state = State.DRAINING
        self._limit(self._times.cap)
        _log.info("draining", delay=self._times.delay, grace=self._times.grace)
        await self._drain()
        if self._failure is not None:
            raise self._failure
        self.state = State.STOPPED
        _log.info("stopped")

    async def _drain(self) -> None:
        times = self._times
        await self._server.refuse_traffic()
        await asyncio.sleep(times.delay)
        self._server.refuse_searches()
        lingering = asyncio.ensure_future(asyncio.sleep(min(_LINGER_SECONDS, times.grace)))
        if not await _within(times.grace, self._server.searches_ended()):
            self._server.stop_searches()
            await _within(times.margin, self._server.searches_ended())
        await lingering
        await self._server.stop_serving()
        self._server.release()


async def _within(seconds: float, awaitable: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await awaitable
    except TimeoutError:
        return False
    return True
