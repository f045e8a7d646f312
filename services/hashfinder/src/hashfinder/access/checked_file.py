"""Reads a file of the operator's."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hashfinder.access.file_error import AccessFileError, UnreadableAccessFileError

T = TypeVar("T")

_LARGEST_BYTES = 16 * 2**20


def load(path: str, parse: Callable[[str], T]) -> T:
    """Return what `parse` makes of the text of a file.

    Raises:
        UnreadableAccessFileError: it cannot be read.
        AccessFileError: `parse` refuses it. Both name the file.
    """
    try:
        return parse(_text_of(Path(path)))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise UnreadableAccessFileError([(None, problem)], path) from None
    except UnicodeDecodeError:
        raise AccessFileError([(None, "is not UTF-8")], path) from None
    except AccessFileError as error:
        raise AccessFileError(error.problems, path) from None


def _text_of(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise AccessFileError([(None, f"is larger than {_LARGEST_BYTES} bytes")])
    return content.decode()
