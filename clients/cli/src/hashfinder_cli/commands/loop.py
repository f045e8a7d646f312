"""Waiting in the event loop."""

import asyncio
from typing import TypeVar

from hashfinder_cli.streams import is_writable

_T = TypeVar("_T")


async def wait_until_writable(descriptor: int) -> None:
    """Wait until a line can be written without blocking the event loop."""
    if is_writable(descriptor):
        return
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(descriptor, set_once, ready, None)
    try:
        await ready
    finally:
        loop.remove_writer(descriptor)


def set_once(future: asyncio.Future[_T], value: _T) -> None:
    """Set the result of `future`, unless it is done."""
    if not future.done():
        future.set_result(value)
