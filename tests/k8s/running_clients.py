"""Clients of every kind at once, as processes, threads and tasks of an event loop."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from tests.k8s.rollout_clients import (
    RANGE_SIZE,
    BusyAsyncFinder,
    BusyFinder,
    Client,
    CommandLine,
    LongAsyncFinder,
    LongFinder,
)


class Clients:
    """Starts clients; a context that stops them."""

    def __init__(self, folder: Path) -> None:
        """Store a folder for the processes' output."""
        self.all: list[Client] = []
        self._folder = folder
        self._threads = ThreadPoolExecutor()
        self._loop = asyncio.new_event_loop()
        self._loop_thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        """Start the event loop."""
        self._loop_thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all clients."""
        for client in self.all:
            client.stop()
        self._threads.shutdown()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._loop_thread.join()
        self._loop.close()

    def start(self, target: str) -> None:
        """Start a client of every kind."""
        commands = (
            ("--resume",),
            ("--shards=3", f"--range-size={RANGE_SIZE}"),
            ("--shard=0/1", f"--range-size={RANGE_SIZE}"),
        )
        for options in commands:
            folder = self._folder / str(len(self.all))
            folder.mkdir()
            self.all.append(CommandLine(target, folder, *options))
        for finder in (LongFinder(target), BusyFinder(target)):
            finder.work = self._threads.submit(finder.run)
            self.all.append(finder)
        for async_finder in (LongAsyncFinder(target), BusyAsyncFinder(target)):
            async_finder.work = asyncio.run_coroutine_threadsafe(async_finder.run(), self._loop)
            self.all.append(async_finder)
