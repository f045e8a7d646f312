"""Many clients of a gateway that search little: pages that poll, and clients that do not read."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.gateway_process import GatewayProcess, get, search

_SMALL = 4096
"""The receive buffer in bytes of a client that does not read."""
_EVERY_SECONDS = 1.0


@contextmanager
def polling_pages(gateway: GatewayProcess, count: int) -> Iterator[None]:
    """Keep `count` pages open that read the metrics once a second, each on its own connection."""
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_poll(gateway.address, count, stop)))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def stalled_readers(gateway: GatewayProcess, count: int) -> Iterator[None]:
    """Keep `count` searches open that find results quickly and whose clients do not read."""
    clients = []
    try:
        for _ in range(count):
            clients.append(socket.socket())
            clients[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
            clients[-1].connect(gateway.address)
            clients[-1].sendall(get(search("a" * 12, show_inferior=9)))
        yield
    finally:
        for client in clients:
            client.close()


async def _poll(address: tuple[str, int], count: int, stop: threading.Event) -> None:
    async with asyncio.TaskGroup() as pages:
        for number in range(count):
            pages.create_task(_page(address, _EVERY_SECONDS * number / count, stop))


async def _page(address: tuple[str, int], delay: float, stop: threading.Event) -> None:
    await asyncio.sleep(delay)  # pages do not open all at the same moment
    reader, writer = await asyncio.open_connection(*address)
    path = "/"
    while not stop.is_set():
        writer.write(get(path))
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r")[0]))
        path = "/metrics"
        await asyncio.sleep(_EVERY_SECONDS)
    writer.close()
    await writer.wait_closed()
