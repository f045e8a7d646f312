"""A value that many ask for, and that is made at most twice a second."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_FRESH_SECONDS = 0.5

T = TypeVar("T")


class Remembered(Generic[T]):
    """What `make` returned last, not older than half a second."""

    def __init__(
        self, make: Callable[[], Awaitable[T]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take what makes the value: one call at a time, whoever asks."""
        self._make = make
        self._clock = clock
        self._making = asyncio.Lock()
        self._made: tuple[T, float] | None = None

    async def value(self) -> T:
        """Return it. Raises what `make` raises, which is not remembered."""
        async with self._making:
            if self._made is None or self._clock() - self._made[1] >= _FRESH_SECONDS:
                self._made = await self._make(), self._clock()
            return self._made[0]
