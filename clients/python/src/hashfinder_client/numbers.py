"""Checks of the numbers that a caller gives, with errors that name the argument and its range."""

import math


def check_seconds(name: str, value: float, *, least: float = 0.0, most: float = math.inf) -> float:
    """Return `value`, a number of seconds from `least` to `most`.

    Raises:
        ValueError: it is not; NaN never is.
    """
    if not least <= value <= most:
        limit = "or more, math.inf included" if most == math.inf else f"to {most:g}"
        message = f"{name} must be {least:g} {limit}, not {value!r}"
        raise ValueError(message)
    return value


def check_count(name: str, value: int, *, least: int, most: int | None = None) -> int:
    """Return `value`, a whole number from `least` to `most`.

    Raises:
        ValueError: it is out of the range, or no whole number.
    """
    if type(value) is not int or value < least or (most is not None and value > most):
        limit = "or more" if most is None else f"to {most}"
        message = f"{name} must be a whole number, {least} {limit}, not {value!r}"
        raise ValueError(message)
    return value
