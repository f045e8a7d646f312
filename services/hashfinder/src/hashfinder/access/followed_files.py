"""What some files contain, loaded again when they change."""

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeAlias, TypeVar

import structlog

from hashfinder.access.file_error import UnreadableError
from hashfinder.domain.errors import HashFinderError

T = TypeVar("T")
OnReload: TypeAlias = Callable[[str, bool], None]
"""Gets the name of files that have changed, and whether the change was taken."""

_LOOK_SECONDS = 1.0
"""How often the files are looked at."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class FollowedFiles(Generic[T]):
    """A value loaded from files. Files that turn out to be broken change nothing."""

    def __init__(self, name: str, paths: Iterable[str], load: Callable[[], T]) -> None:
        """Load the files at `paths`, which the log calls `name`. Raises what `load` raises.

        Where that is an UnreadableError, it is called again also for the same change.
        """
        self.name = name
        self._paths = tuple(paths)
        self._load = load
        # First: a change while they are loaded is seen the next time.
        self._loaded = self._seen = stamps_of(self._paths)
        self._refused: tuple[object, ...] = ()
        self.value = load()
        """What the newest valid version of the files contains."""

    def refresh(self) -> bool | None:
        """Load the files if they have changed, and not since the last look.

        What has changed since may be written right now.

        Returns:
            Whether that went well; None for no change.
        """
        before, self._seen = self._seen, stamps_of(self._paths)
        if self._seen == self._loaded or self._seen != before:
            return None
        self._loaded = self._seen
        try:
            self.value = self._load()
        except HashFinderError as error:
            return self._refuse(error)
        except Exception as error:  # noqa: BLE001  # a fault of ours: the next version may be read
            _log.error("file not reloaded: a fault", file=self.name, exc_info=error)
            return False
        _log.info("file reloaded", file=self.name)
        return True

    def _refuse(self, error: HashFinderError) -> bool | None:
        """Report a change that is not taken, once; return what `refresh` returns."""
        if isinstance(error, UnreadableError):  # perhaps no file descriptor was left: look again
            self._loaded = ()
        if self._seen == self._refused:
            return None
        self._refused = self._seen
        _log.error(
            "file not reloaded: the last valid one remains", file=self.name, reason=str(error)
        )
        return False

    async def look(self, on_reload: OnReload) -> None:
        """Refresh off the event loop, since a file system may take its time, and report that."""
        try:
            was_taken = await asyncio.to_thread(self.refresh)
        except Exception as error:  # noqa: BLE001
            # No thread can start, or no file descriptor is left to import what starts it: perhaps
            # the next time.
            _log.warning("file not looked at", file=self.name, reason=str(error))
            return
        if was_taken is not None:
            on_reload(self.name, was_taken)


async def follow(followed: Iterable[FollowedFiles[Any]], on_reload: OnReload) -> None:
    """Load each valid change of the files, for as long as this runs."""
    every = list(followed)
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        for files in every:
            await files.look(on_reload)


def stamps_of(paths: Iterable[str]) -> tuple[object, ...]:
    """Return a value that differs once a file was changed or replaced; links are followed."""
    return tuple(map(_stamp, paths))


def _stamp(path: str) -> object:
    try:
        found = os.stat(path)  # noqa: PTH116  # as a whole
    except OSError as error:
        return error.errno
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
