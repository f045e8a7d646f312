"""The server's event loop: health stays prompt and clients share it, whatever any of them does.

asyncio runs the whole ready queue before it polls, and grpc.aio drains one wake-up byte a poll.
Under a storm of cancels both starve health checks, and one client's thousand writes go before
another's single one. This loop runs the steps of RPCs as a background, fairly by client, and drains
all wake-up bytes at once.

This module and `transport.core` alone depend on the inside of asyncio and gRPC, and both have a
fallback. Here it is how an `asyncio.Handle` is made and run, the loop's queue of handles, and the
name of the class that reads gRPC's events. Where one has changed, `is_prompt` says so, and the
server runs as on asyncio's own loop.
"""

import asyncio
import selectors
import socket
from array import array
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, copy_context
from fcntl import ioctl
from termios import FIONREAD
from typing import TYPE_CHECKING, Any, TypeVarTuple

from hashfinder.runtime.background import Background, background, share_of

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_Arguments = TypeVarTuple("_Arguments")
POLL_SECONDS = 300e-6
"""How long the loop runs what is ready before it looks for events again.

The steps of a few RPCs one after the other: each finds in the CPU's caches what the last one used.
"""


def takes_events_of_grpc(reader: Callable[..., object]) -> bool:
    """Return whether `reader` is gRPC's: a partial of its queue's method."""
    queue = getattr(getattr(reader, "func", None), "__self__", None)
    return type(queue).__name__ == "PollerCompletionQueue"


class _ThriftySelector(selectors.DefaultSelector):
    """Does not look for events at every turn of a busy loop: that costs as much as a turn."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._next = clock()

    @property
    def is_due(self) -> bool:
        """Whether it is time to look for events."""
        return self._clock() >= self._next

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the events; none where the loop would not wait for them, and has just looked."""
        if timeout is not None and timeout <= 0 and not self.is_due:
            return []
        events = super().select(timeout)
        self._next = self._clock() + POLL_SECONDS
        return events


class PromptEventLoop(asyncio.SelectorEventLoop):
    """An event loop with a foreground and a background.

    A turn of the loop runs the foreground that is ready, and one step of each group of the
    background; more steps only until there is foreground again, or time to look for events. The
    foreground is what asyncio and gRPC do themselves: timers, calls from other threads, gRPC's
    events and the acceptance of RPCs, of which one is accepted a turn. They wake tasks, which wait
    for a turn of their own.
    """

    _ready: deque[asyncio.Handle]  # asyncio's own: the foreground that is to be run

    def __init__(self) -> None:
        """Begin with nothing to run."""
        self._events = _ThriftySelector(self.time)
        super().__init__(self._events)
        self.knows_grpc = False
        """Whether a reader of gRPC's events was added."""
        self._waiting_bytes = array("i", [0])
        self._background: Background[asyncio.Handle] = Background()
        self._background_is_due = False  # its turn is ready to run, or runs
        self._background_context = Context()

    def call_soon(
        self,
        callback: Callable[[*_Arguments], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Run `callback` at the next turn of its context. See `asyncio.loop.call_soon`."""
        context = copy_context() if context is None else context
        share = share_of(context)
        if share is None:
            return super().call_soon(callback, *args, context=context)
        if not self._background_is_due:
            self._schedule_background()
        handle = asyncio.Handle(callback, args, self, context)
        self._background.push(share, handle)
        return handle

    def add_reader(
        self,
        fd: "FileDescriptorLike",
        callback: Callable[[*_Arguments], Any],
        *args: *_Arguments,
    ) -> None:
        """Call `callback` when there is something to read. See `asyncio.loop.add_reader`.

        gRPC's poller writes a byte for each event and blocks when the socket is full. Its reader
        takes all events, but one byte: here all other bytes are drained first.
        """
        if isinstance(fd, socket.socket) and takes_events_of_grpc(callback):
            self.knows_grpc = True
            super().add_reader(fd, self._wake_up, fd, callback, args)
        else:
            super().add_reader(fd, callback, *args)

    def close(self) -> None:
        """Close the loop; what is ready never runs."""
        super().close()
        self._background = Background()
        self._background_is_due = False

    def _wake_up(
        self, wake_ups: socket.socket, callback: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        ioctl(wake_ups, FIONREAD, self._waiting_bytes)
        if (surplus := self._waiting_bytes[0] - 1) > 0:
            with suppress(BlockingIOError):  # the loop of another thread took them
                wake_ups.recv(surplus)
        callback(*args)

    def _schedule_background(self) -> None:
        super().call_soon(self._run_background, context=self._background_context)
        self._background_is_due = True

    def _run_background(self) -> None:
        """Run steps for as long as nothing else is to be done: a turn costs as much as a step."""
        try:
            goes_on = True
            while goes_on:
                for step in self._background.round():
                    if not step.cancelled():
                        step._run()  # noqa: SLF001  # as asyncio's own loop does
                goes_on = not (self._ready or self._events.is_due) and bool(self._background)
        finally:
            self._background_is_due = False
            if self._background:
                self._schedule_background()


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a `PromptEventLoop`, or asyncio's own loop where this Python cannot run one."""
    loop = PromptEventLoop()
    done = loop.create_future()
    try:
        loop.call_soon(done.set_result, None, context=background("rehearsal"))
        loop.call_later(1.0, done.cancel)
        loop.run_until_complete(done)
    except Exception:  # noqa: BLE001  # whatever has changed inside asyncio
        loop.close()
        return asyncio.new_event_loop()
    return loop


def is_prompt(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether `loop` keeps its promises for a gRPC server that was created on it."""
    return isinstance(loop, PromptEventLoop) and loop.knows_grpc


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` on such a loop, as `asyncio.run` does on asyncio's own."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main)
