"""Save the progress of a search: read it first, write it at intervals and at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import typer

from hashfinder_cli.search import Search
from hashfinder_cli.state.identity import Identity, differences, identity
from hashfinder_cli.state.record import InvalidStateError, Record, from_bytes, to_bytes
from hashfinder_cli.state.state_file import InUseError, StateFile

SAVE_SECONDS = 2.0
"""From one save to the next: a kill -9 loses at most this and the interval of reports."""
_FLAG = "--state"


class Keeper:
    """Holds the locked state file of one search."""

    def __init__(
        self,
        file: StateFile,
        search: Identity,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the file.

        Args:
            file: remains the caller's.
            search: what makes another search the same.
            clock: returns the time in seconds.

        Raises:
            OSError: the file cannot be read.
            InvalidStateError: it is not a state, or of another search.
        """
        self.record: Record | None = None
        """What an earlier process has kept; None where there is nothing."""
        self._file = file
        self._search = search
        self._clock = clock
        self._saved: Record | None = None
        self._due = clock() + SAVE_SECONDS
        self._has_failed = False
        if content := file.read():
            there, self.record = from_bytes(content)
            if different := differences(there, search):
                message = f"it belongs to another search, which differs in {'; '.join(different)}"
                raise InvalidStateError(message)

    def save(self, record: Record) -> None:
        """Save `record`.

        Raises:
            OSError: it cannot be written; what was kept before stays.
        """
        self._due = self._clock() + SAVE_SECONDS
        if record != self._saved:
            self._file.write(to_bytes(self._search, record))
            self._saved = record

    def save_if_due(self, record: Callable[[], Record], *, at_once: bool = False) -> OSError | None:
        """Save what `record` returns, if the last save is long enough ago, or `at_once`.

        Returns:
            Why it cannot be written, the first time. It is tried again.
        """
        if self._clock() < self._due and not at_once:
            return None
        try:
            self.save(record())
        except OSError as error:
            is_first, self._has_failed = not self._has_failed, True
            return error if is_first else None
        self._has_failed = False
        return None


def kept_stamp(path: str | None) -> str | None:
    """Return the stamp of the search in a state file; None for other searches and without a file.

    Errors are left to `kept`, which reports them before anything is searched.
    """
    if path is None:
        return None
    with suppress(OSError, ValueError, InUseError), closing(StateFile.open(path)) as file:
        if content := file.read():
            stamp = from_bytes(content)[0].get("stamp")
            return stamp if isinstance(stamp, str) else None
    return None


@contextmanager
def kept(search: Search) -> Iterator[Keeper | None]:
    """Yield the keeper of the file that `search` names; None where it names none.

    Raises:
        typer.BadParameter: the file cannot be used, or is of another search. It is as it was.
    """
    if (path := search.kept.state) is None:
        yield None
        return
    try:
        file = StateFile.open(path)
    except InUseError:
        message = f"another process uses {path!r}"
        raise typer.BadParameter(message, param_hint=_FLAG) from None
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from None
    try:
        yield _opened(file, path, search)
    finally:
        file.close()


def _opened(file: StateFile, path: str, search: Search) -> Keeper:
    try:
        keeper = Keeper(file, identity(search))
        keeper.save(keeper.record or Record())  # A search of hours should not fail at its end.
    except (OSError, InvalidStateError) as error:
        raise _unusable(path, error) from None
    return keeper


def _unusable(path: str, error: Exception) -> typer.BadParameter:
    reason = getattr(error, "strerror", None) or error
    return typer.BadParameter(f"cannot use {path!r}: {reason}", param_hint=_FLAG)
