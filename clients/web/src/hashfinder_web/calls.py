"""The calls under way: how many there may be, and what ends them before they are done.

A call is left, by an exception in its own task, as soon as its client is gone or the gateway goes
away. Nothing else would notice: an ASGI server reports a lost connection to nobody who does not
ask for it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

from hashfinder_web.asgi import Receive
from hashfinder_web.http import ClientGoneError


class Ended(StrEnum):
    """Why a call was ended from here."""

    GONE = "client_gone"
    DRAINED = "drained"


class DrainingError(Exception):
    """The gateway drains. The client retries later, or elsewhere."""


class TooManyCallsError(Exception):
    """The limit of calls is reached. The client retries later."""


class _Call:
    """One call under way."""

    def __init__(self) -> None:
        self.reason: Ended | None = None
        self.scope = asyncio.timeout(None)

    def end(self, reason: Ended) -> None:
        """Let the call leave its block now; the first reason counts."""
        if self.reason is None:
            self.reason = reason
            # Not `Task.cancel`: a scope ends this block alone, and cannot end what comes after it.
            self.scope.reschedule(asyncio.get_running_loop().time())

    async def watch(self, receive: Receive) -> None:
        """End the call when its connection is lost: the next thing to receive is that."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.end(Ended.GONE)


class Calls:
    """Limits the running calls, and ends them."""

    def __init__(self, most: int) -> None:
        """Take how many there may be."""
        self._most = most
        self._under_way: set[_Call] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.draining = False
        """Whether new calls are refused because the gateway drains."""

    def __len__(self) -> int:
        """Return how many are under way."""
        return len(self._under_way)

    @asynccontextmanager
    async def watched(self, receive: Receive) -> AsyncIterator[None]:
        """Run the block as a call, while its client is there. Its body must have been received.

        Raises:
            ClientGoneError: the connection was lost.
            DrainingError: the gateway goes away.
            TooManyCallsError: as many as may be are under way; the block did not begin.
        """
        if self.draining:
            raise DrainingError
        if len(self._under_way) >= self._most:
            raise TooManyCallsError
        call = _Call()
        self._under_way.add(call)
        self._idle.clear()
        try:
            async with call.scope:
                watcher = asyncio.create_task(call.watch(receive))
                try:
                    yield
                finally:
                    watcher.cancel()
        except TimeoutError:
            if not call.scope.expired():
                raise
            raise (ClientGoneError if call.reason is Ended.GONE else DrainingError) from None
        finally:
            call.reason = call.reason or Ended.DRAINED  # a scope that was left takes no more
            self._under_way.discard(call)
            if not self._under_way:
                self._idle.set()

    def refuse(self) -> None:
        """Refuse new calls."""
        self.draining = True

    def end_all(self) -> None:
        """End the calls under way."""
        for call in self._under_way:
            call.end(Ended.DRAINED)

    async def ended(self) -> None:
        """Return when no call is under way."""
        await self._idle.wait()
