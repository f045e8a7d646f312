"""The lines of a TOML file on which its values stand: its parsers do not keep them."""

import json
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """Return the line, from 1, of the value at `path`, or of the innermost table around it.

    Args:
        text: a valid file, each header and each ``key =`` of it on a line of its own.
        path: keys from the outermost table on; an item of an array by its index.
    """
    keys = [str(step) for step in path if isinstance(step, str)]
    best, line = 0, None
    for number, found in _keys(text):
        common = len(found) if found == keys[: len(found)] else 0
        if common > best:
            best, line = common, number
    return line


def line_of_item(text: str, path: Sequence[str], item: str) -> int | None:
    """Return the line of a text in the array at `path`, or else that of the array."""
    begin = line_of(text, path)
    if begin is None:
        return None
    lines = text.split("\n")[begin - 1 :]
    quoted = (json.dumps(item, ensure_ascii=False), f"'{item}'")
    return next(
        (begin + n for n, line in enumerate(lines) if any(form in line for form in quoted)), begin
    )


def _keys(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the path of each header and each key."""
    table: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            if (found := _path(stripped)) is not None:
                table = found
                yield number, table
        elif (found := _key(stripped)) is not None:
            yield number, [*table, *found]


def _key(line: str) -> list[str] | None:
    """Return the path of the key that a line begins with."""
    end = line.find("=")
    while end >= 0:
        if (found := _path(f"{line[:end]}= 0")) is not None:
            return found
        end = line.find("=", end + 1)
    return None


def _path(line: str) -> list[str] | None:
    read: Any
    try:
        read = tomllib.loads(line)
    except (ValueError, RecursionError):
        return None
    path = []
    while isinstance(read, dict) and read:
        [(key, read)] = read.items()
        path.append(key)
    return path
