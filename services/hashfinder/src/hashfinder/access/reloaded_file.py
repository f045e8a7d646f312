"""A file that is read again when it changes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from hashfinder.access.file_error import AccessFileError

T = TypeVar("T")

_LARGEST_BYTES = 16 * 2**20

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class ReloadedFile(Generic[T]):
    """What a file contains. A file that turns out to be broken changes nothing."""

    def __init__(self, name: str, path: str, parse: Callable[[str], T]) -> None:
        """Read the file; `parse` makes of its text what it stands for.

        Raises:
            AccessFileError: it cannot be read, or `parse` refuses it.
        """
        self.name = name
        self._path = path
        self._parse = parse
        self._seen = _signature(path)
        self.value = self._read()
        """What the newest valid version of the file stands for."""

    def refresh(self) -> bool | None:
        """Read the file if it has changed; return whether that went well, None for no change."""
        seen = _signature(self._path)  # first: a change while it is read is seen the next time
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            self.value = self._read()
        except AccessFileError as error:
            _log.error(
                "file not reloaded: the former one counts", file=self.name, reason=str(error)
            )
            return False
        except Exception as error:  # noqa: BLE001  # a fault of ours: the next version may be read
            _log.error("file not reloaded: a fault", file=self.name, exc_info=error)
            return False
        _log.info("file reloaded", file=self.name)
        return True

    def _read(self) -> T:
        try:
            return self._parse(_text_of(Path(self._path)))
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
            raise AccessFileError([(None, problem)], self._path) from None
        except UnicodeDecodeError:
            raise AccessFileError([(None, "is not UTF-8")], self._path) from None
        except AccessFileError as error:
            raise AccessFileError(error.problems, self._path) from None


def _text_of(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise AccessFileError([(None, f"is larger than {_LARGEST_BYTES} bytes")])
    return content.decode()


def _signature(path: str) -> tuple[int, ...] | None:
    """Return what changes with the file, or with a link on the way to it; None for no file."""
    try:
        found = os.stat(path)  # noqa: PTH116  # as a whole
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
