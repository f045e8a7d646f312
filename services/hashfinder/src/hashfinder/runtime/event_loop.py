"""The server's event loop: it stays prompt, whatever thousands of searches do in one moment.

asyncio runs all that is ready before it looks for news, and gRPC's reader then takes one byte of
many from the socket that its poller waits for. Both are mended here: the steps of searches are the
background, of which one runs at a time, and the socket is emptied at once.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import TYPE_CHECKING, Any, TypeVarTuple

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_Arguments = TypeVarTuple("_Arguments")

_WAKE_UPS = 2**16
"""Bytes, more than a socket holds."""

_in_background: ContextVar[bool] = ContextVar("in_background", default=False)


def enter_background() -> None:
    """Put the current task, and what it begins from now on, into the background.

    It takes effect when the task waits next, and on a `PromptEventLoop` alone.
    """
    _in_background.set(True)


def foreground() -> Context:
    """Return the current context, but for callbacks that shall not wait with the background."""
    context = copy_context()
    context.run(_in_background.set, False)  # noqa: FBT003  # the value of a variable
    return context


def takes_events_of_grpc(reader: Callable[..., object]) -> bool:
    """Return whether `reader` is gRPC's: a partial of its queue's method."""
    queue = getattr(getattr(reader, "func", None), "__self__", None)
    return type(queue).__name__ == "PollerCompletionQueue"


class PromptEventLoop(asyncio.SelectorEventLoop):
    """An event loop with a foreground and a background.

    Between two steps of the background, all else that is ready has its turn. Within the foreground
    and within the background, what is ready first runs first. Timers, and what other threads
    ask for, are the foreground: they wake tasks, which then wait for the turn of their own.
    """

    def __init__(self) -> None:
        """Begin with nothing to run."""
        super().__init__()
        # Not empty: the first is running, or `_step` is ready to run it.
        self._background: deque[asyncio.Handle] = deque()

    def call_soon(
        self,
        callback: Callable[[*_Arguments], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Run `callback` at the next turn of its context. See `asyncio.loop.call_soon`."""
        context = copy_context() if context is None else context
        if not context.get(_in_background, False):
            return super().call_soon(callback, *args, context=context)
        if not self._background:
            super().call_soon(self._step)
        handle = asyncio.Handle(callback, args, self, context)
        self._background.append(handle)
        return handle

    def add_reader(
        self,
        fd: "FileDescriptorLike",
        callback: Callable[[*_Arguments], Any],
        *args: *_Arguments,
    ) -> None:
        """Call `callback` when there is something to read. See `asyncio.loop.add_reader`.

        gRPC's poller writes a byte for each event and waits where the socket is full. Its reader
        takes all events, but one byte: here it gets rid of all.
        """
        if isinstance(fd, socket.socket) and takes_events_of_grpc(callback):
            super().add_reader(fd, self._wake_up, fd, callback, args)
        else:
            super().add_reader(fd, callback, *args)

    def close(self) -> None:
        """Close the loop; what is ready never runs."""
        super().close()
        self._background.clear()

    def _wake_up(
        self, wake_ups: socket.socket, callback: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        with suppress(BlockingIOError):  # the loop of another thread took them
            wake_ups.recv(_WAKE_UPS)
        callback(*args)

    def _step(self) -> None:
        handle = self._background[0]
        try:
            if not handle.cancelled():
                handle._run()  # noqa: SLF001  # the part of a handle that is for event loops
        finally:
            self._background.popleft()
            if self._background:
                super().call_soon(self._step)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` on such a loop, as `asyncio.run` does on asyncio's own."""
    with asyncio.Runner(loop_factory=PromptEventLoop) as runner:
        runner.run(main)
