"""Bounds how long something is waited for, with one timer for all: most waits end at once."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


class Patience:
    """Waits for at most `seconds`, for any number of tasks of one event loop."""

    def __init__(self, seconds: float) -> None:
        """Take how long anything is waited for."""
        self.seconds = seconds
        self._waiting: dict[asyncio.Task[Any], float] = {}  # since when; the longest wait is first
        self._has_timer = False

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """Return what `awaitable` returns.

        Raises:
            TimeoutError: it took too long, and was cancelled.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101  # a coroutine that waits is in one
        self._waiting[task] = loop.time()
        if not self._has_timer:
            self._look(loop)
        try:
            return await awaitable
        except asyncio.CancelledError as error:
            if task in self._waiting or task.uncancel():  # by others, too
                raise
            raise TimeoutError from error
        finally:
            self._waiting.pop(task, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel the waits that have taken too long; look again when the next one will have."""
        now = loop.time()
        self._has_timer = False
        for task, since in list(self._waiting.items()):
            if now < since + self.seconds:
                loop.call_at(since + self.seconds, self._look, loop)
                self._has_timer = True
                return
            del self._waiting[task]
            task.cancel()
