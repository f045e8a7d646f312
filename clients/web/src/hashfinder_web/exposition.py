"""What /metrics answers: made at most twice a second, however many pages ask."""

import asyncio
import time
from collections.abc import Callable

_FRESH_SECONDS = 0.5


class Exposition:
    """The metrics of the server and the gateway's own, as bytes that are ready to be sent."""

    def __init__(
        self,
        server: Callable[[], str],
        own: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what returns either in Prometheus' text format; `server` may block."""
        self._server = server
        self._own = own
        self._clock = clock
        self._making = asyncio.Lock()
        self._made_at = -_FRESH_SECONDS
        self._body = b""

    async def body(self) -> bytes:
        """Return them, not older than half a second."""
        async with self._making:
            if self._clock() - self._made_at >= _FRESH_SECONDS:
                server = await asyncio.to_thread(self._server)
                self._body = (server + self._own()).encode()
                self._made_at = self._clock()
            return self._body
