"""One address for many servers: forwards each connection, like kube-proxy for a Service."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

Address = tuple[str, int]


class Forwarder:
    """Forwards each TCP connection to the next of its targets, where it stays.

    Changed targets apply to new connections. A connection ends when either side closes it.
    """

    def __init__(self) -> None:
        """Start without a target and without an address."""
        self.targets: tuple[Address, ...] = ()
        self.address = ""
        self._accepted = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Forward in a thread while the context is open."""
        ended = asyncio.Event()
        thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(ended),), daemon=True
        )
        thread.start()
        assert self._ready.wait(10)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(ended.set)
            thread.join()
            self._loop.close()

    async def _serve(self, ended: asyncio.Event) -> None:
        connections: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._forward(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        self._ready.set()
        await ended.wait()
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        targets = self.targets
        self._accepted += 1
        try:
            host, port = targets[self._accepted % len(targets)]
            back_reader, back_writer = await asyncio.open_connection(host, port)
        except (OSError, ZeroDivisionError):
            writer.close()
            return
        try:
            await asyncio.wait(
                (
                    asyncio.create_task(_pump(reader, back_writer)),
                    asyncio.create_task(_pump(back_reader, writer)),
                ),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            writer.close()
            back_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
