"""The server's event loop: it stays prompt, whatever thousands of searches do in one moment.

asyncio runs all that is ready before it looks for news, and then takes one piece of news from each
file. Both are mended here: the steps of searches are the background, of which a slice runs at a
time, and a reader is called again as long as there is something to read.
"""

import asyncio
import select
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import TYPE_CHECKING, Any, TypeVarTuple

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_Arguments = TypeVarTuple("_Arguments")

SLICE_SECONDS = 0.0005
"""For how long the background runs before all else has its turn. No step is cut."""
READS_IN_A_TURN = 500
"""How often a reader is called, at most, before all else has its turn."""

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


class PromptEventLoop(asyncio.SelectorEventLoop):
    """An event loop with a foreground and a background.

    Between two slices of the background, all else that is ready has its turn. Within the foreground
    and within the background, what is ready first runs first. Timers, and what other threads
    ask for, are the foreground: they wake tasks, which then wait for the turn of their own.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Take what measures the slices, in seconds."""
        super().__init__()
        self._clock = clock
        self._background: deque[asyncio.Handle] = deque()
        self._slice_is_due = False
        self._readers: dict[int, select.poll] = {}

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
        self._let_slice_follow()
        handle = asyncio.Handle(callback, args, self, context)
        self._background.append(handle)
        return handle

    def add_reader(
        self,
        fd: "FileDescriptorLike",
        callback: Callable[[*_Arguments], Any],
        *args: *_Arguments,
    ) -> None:
        """Call `callback` while there is something to read. See `asyncio.loop.add_reader`.

        gRPC writes a byte for each event, and its reader takes one byte, with all events. With one
        byte an iteration the pipe fills up, and what comes next waits outside.
        """
        number = fd if isinstance(fd, int) else fd.fileno()
        self._readers[number] = poll = select.poll()
        poll.register(number, select.POLLIN)
        super().add_reader(fd, self._read, number, poll, callback, args)

    def remove_reader(self, fd: "FileDescriptorLike") -> bool:
        """Call the reader of `fd` no more. See `asyncio.loop.remove_reader`."""
        self._readers.pop(fd if isinstance(fd, int) else fd.fileno(), None)
        return super().remove_reader(fd)

    def close(self) -> None:
        """Close the loop; what is ready never runs."""
        super().close()
        self._background.clear()
        self._slice_is_due = False

    def _read(
        self, number: int, poll: select.poll, callback: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        for _ in range(READS_IN_A_TURN):
            callback(*args)
            if self._readers.get(number) is not poll or not poll.poll(0):
                break

    def _let_slice_follow(self) -> None:
        if not self._slice_is_due:
            super().call_soon(self._run_slice)
            self._slice_is_due = True

    def _run_slice(self) -> None:
        self._slice_is_due = False
        end = self._clock() + SLICE_SECONDS
        try:
            for _ in range(len(self._background)):  # what they make ready waits for news as well
                handle = self._background.popleft()
                if not handle.cancelled():
                    handle._run()  # noqa: SLF001  # the part of a handle that is for event loops
                if self._clock() >= end:
                    break
        finally:
            if self._background:
                self._let_slice_follow()


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` on such a loop, as `asyncio.run` does on asyncio's own."""
    with asyncio.Runner(loop_factory=PromptEventLoop) as runner:
        runner.run(main)
