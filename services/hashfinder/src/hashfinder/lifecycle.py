"""The life of the server as a state machine: starting, serving, draining, stopped."""

import asyncio
import os
import signal
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import structlog

from hashfinder.domain.errors import HashFinderError

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

_LINGER_SECONDS = 0.5
"""How long a server refuses searches, at least, before it hangs up.

gRPC answers RPCs that come while it hangs up with CANCELLED. Clients that were told when to come
back send none then.
"""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class DrainStuckError(HashFinderError):
    """A step of the drain hung. We act: it is a fault of ours."""


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
        """Turn away new searches and those that wait."""

    async def searches_ended(self) -> None:
        """Return when no search is under way."""

    def stop_searches(self) -> None:
        """Stop the searches under way; each client is told where to resume."""

    async def stop_serving(self) -> None:
        """Close the port and every connection."""

    async def release(self) -> None:
        """Join the workers and close what is left."""


@dataclass(frozen=True, slots=True)
class DrainTimes:
    """How long each step of a drain may take, in seconds."""

    delay: float
    """Between NOT_SERVING and refusing searches, for load balancers to notice."""
    grace: float
    """For the searches under way to end by themselves."""
    margin: float = 2.0
    """After that, for clients to be told, and for the workers to end."""


class Lifecycle:
    """Drives one server from its first signal to its end."""

    def __init__(self, server: Drainable, times: DrainTimes) -> None:
        """Take what to drain, and how long it may take."""
        self.state = State.STARTING
        self._server = server
        self._times = times
        self._asked = asyncio.Event()

    def watch_signals(self) -> None:
        """Drain on the first SIGINT or SIGTERM; exit with 128 + its number on another."""
        loop = asyncio.get_running_loop()
        for signum in _SIGNALS:
            loop.add_signal_handler(signum, self._signalled, signum)

    def ask_to_stop(self) -> None:
        """Let `run` drain."""
        self._asked.set()

    async def run(self) -> None:
        """Serve until asked to stop, then drain.

        Raises:
            DrainStuckError: a step of the drain hung, and its hard cap passed.
        """
        self.state = State.SERVING
        await self._asked.wait()
        self.state = State.DRAINING
        times = self._times
        _log.info("draining", delay=times.delay, grace=times.grace)
        cap = times.delay + times.grace + 3 * times.margin
        if not await _within(cap, self._drain()):
            message = f"the drain did not end within {cap:g} s"
            raise DrainStuckError(message)
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
        await self._server.release()

    def _signalled(self, signum: signal.Signals) -> None:
        _log.info("signal", name=signum.name)
        loop = asyncio.get_running_loop()
        for each in _SIGNALS:
            loop.remove_signal_handler(each)
            signal.signal(each, lambda number, _: os._exit(128 + number))
        self.ask_to_stop()


async def _within(seconds: float, awaitable: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await awaitable
    except TimeoutError:
        return False
    return True
