"""One timer for all that is waited for, on an event loop whose time passes at once."""

import asyncio

import pytest

from hashfinder.transport.patience import Patience
from tests.unit.virtual_time import now, run

SECONDS = 30.0


async def after(seconds: float) -> str:
    """Return something later."""
    await asyncio.sleep(seconds)
    return "came"


async def outcome(patience: Patience, seconds: float, begin: float = 0.0) -> tuple[str, float]:
    """Return how a wait ends that begins and takes so long, and when."""
    await asyncio.sleep(begin)
    try:
        return await patience.wait(after(seconds)), now()
    except TimeoutError:
        return "timeout", now()


def test_each_wait_has_its_own_time() -> None:
    """Those that end in time are not disturbed by the others, nor do these get more time."""

    async def scenario() -> list[tuple[str, float]]:
        patience = Patience(SECONDS)
        waits = [(1, 0), (40, 5), (29, 10), (31, 20), (100, 200)]
        return await asyncio.gather(*(outcome(patience, *each) for each in waits))

    expected = [("came", 1), ("timeout", 35), ("came", 39), ("timeout", 50), ("timeout", 230)]
    assert expected == run(scenario())


def test_a_cancelled_wait_is_no_timeout() -> None:
    """Whoever else cancels the task, before its time is up or in the same moment."""

    async def scenario(seconds: float) -> bool:
        patience = Patience(SECONDS)
        task = asyncio.ensure_future(patience.wait(after(100)))
        asyncio.get_running_loop().call_later(seconds, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert run(scenario(10))
    assert run(scenario(SECONDS))


def test_no_timer_is_left_when_nothing_is_waited_for() -> None:
    """The last one ends by itself: an idle server does not wake up."""

    async def scenario() -> float:
        patience = Patience(SECONDS)
        for _ in range(100):
            await patience.wait(after(0.001))
        await asyncio.sleep(2 * SECONDS)
        assert not patience._has_timer  # noqa: SLF001
        return now()

    assert run(scenario()) > 2 * SECONDS
