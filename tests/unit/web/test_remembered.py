"""What is remembered for all who ask."""

import asyncio

import pytest

from hashfinder_web.remembered import Remembered


async def test_a_value_is_made_at_most_twice_a_second() -> None:
    """However often it is requested, also by several at once."""
    now, made = [0.0], [3, 2, 1]

    async def make() -> int:
        await asyncio.sleep(0)
        return made.pop()

    remembered = Remembered(make, lambda: now[0])

    assert [1, 1] == list(await asyncio.gather(remembered.value(), remembered.value()))
    now[0] = 0.49
    assert 1 == await remembered.value()
    now[0] = 0.5
    assert 2 == await remembered.value()
    assert [3] == made


async def test_an_error_is_not_remembered() -> None:
    """The next one who asks may get a value."""
    results = ["value", None]

    async def make() -> str:
        if (result := results.pop()) is None:
            raise OSError
        return result

    remembered = Remembered(make, lambda: 0.0)

    with pytest.raises(OSError):  # noqa: PT011  # it has no text
        await remembered.value()
    assert "value" == await remembered.value()
