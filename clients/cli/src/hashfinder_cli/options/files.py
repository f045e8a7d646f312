"""Files that flags and arguments name: read once, whole, and of bounded size."""

import sys
from pathlib import Path

import typer

STDIN = "-"
"""The path that means stdin."""


def read_bounded(path: str, most: int, hint: str, *, or_stdin: bool = False) -> bytes:
    """Return the content of a file of at most `most` bytes.

    Args:
        path: the file's.
        most: bytes.
        hint: the flag or argument that names it.
        or_stdin: whether ``-`` is stdin, not a file of that name.

    Raises:
        typer.BadParameter: it cannot be read, or is larger.
    """
    try:
        if or_stdin and path == STDIN:
            content = sys.stdin.buffer.read(most + 1)
        else:
            with Path(path).open("rb") as file:
                content = file.read(most + 1)
    except (OSError, ValueError) as error:
        message = f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}"
        raise typer.BadParameter(message, param_hint=hint) from None
    if len(content) > most:
        message = f"must have at most {most} bytes; {path!r} has more"
        raise typer.BadParameter(message, param_hint=hint)
    return content
