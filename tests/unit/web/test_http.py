"""The body of a request: bounded in size and in time, and given up when its client leaves."""

import asyncio
from collections.abc import Callable

import pytest

from hashfinder_web.asgi import Message, Receive, Scope
from hashfinder_web.http import ClientGoneError, HttpError, Request
from tests.unit.virtual_time import now, run


def _request(receive: Receive) -> Request:
    scope: Scope = {
        "method": "POST",
        "raw_path": b"/",
        "query_string": b"",
        "client": None,
        "headers": [],
    }
    return Request(scope, receive)


def _every(seconds: float, message: Callable[[], Message]) -> Receive:
    async def receive() -> Message:
        await asyncio.sleep(seconds)
        return message()

    return receive


def _part() -> Message:
    return {"type": "http.request", "body": b"x", "more_body": True}


def test_a_slow_body_is_refused_after_ten_seconds() -> None:
    """Also if it trickles in: the bound is on the whole of it."""

    async def scenario() -> tuple[int, float]:
        with pytest.raises(HttpError, match="did not arrive within 10 s") as caught:
            await _request(_every(1.5, _part)).body(1000)
        return caught.value.status, now()

    assert (408, 10.0) == run(scenario())


def test_a_long_body_is_refused_at_the_limit() -> None:
    """Before the rest of it is read."""

    async def scenario() -> tuple[int, float]:
        with pytest.raises(HttpError, match="more than 3 bytes") as caught:
            await _request(_every(1, _part)).body(3)
        return caught.value.status, now()

    assert (413, 4.0) == run(scenario())


def test_a_client_that_leaves_within_its_body_is_gone() -> None:
    """There is nobody to answer."""

    async def scenario() -> None:
        parts = iter((_part(), {"type": "http.disconnect"}))
        with pytest.raises(ClientGoneError):
            await _request(_every(1, lambda: next(parts))).body(1000)

    run(scenario())
