"""Text for people."""

import pytest

from hashfinder_cli.view.text import plain, quantity


def test_plain() -> None:
    """Text from a server can neither control a terminal nor flood it."""
    assert "?[2J?tab?" == plain("\x1b[2J\ttab\n")
    assert 300 == len(plain("x" * 10_000))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0 k"),
        (84_100_000, "84.1 M"),
        (2**64, "18.4 E"),
        (2.5e29, "2.5e+29"),
    ],
)
def test_quantity(value: float, text: str) -> None:
    """Large numbers get a decimal prefix."""
    assert text == quantity(value)
