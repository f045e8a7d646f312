"""Files that are loaded again when they change."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hashfinder.access.checked_file import load
from hashfinder.access.file_error import AccessFileError
from hashfinder.access.followed_files import FollowedFiles


def number(text: str) -> int:
    """Return the number in a file."""
    if not text.strip().isdigit():
        raise AccessFileError([(1, "must be a number")])
    return int(text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file with the number 1."""
    path = tmp_path / "file"
    path.write_text("1")
    return path


def followed(path: Path, parse: Callable[[str], int] = number) -> FollowedFiles[int]:
    """Return the followed file at `path`."""
    return FollowedFiles("file", [str(path)], lambda: load(str(path), parse))


def changed(file: FollowedFiles[int]) -> bool | None:
    """Return what becomes of a change that is complete: it was the same at two looks."""
    assert file.refresh() is None
    return file.refresh()


def test_file_is_read_again_when_it_has_changed(path: Path) -> None:
    """It is not read otherwise."""
    file = followed(path)
    assert file.refresh() is None
    path.write_text("22")
    assert 1 == file.value
    assert changed(file) is True
    assert 22 == file.value
    assert file.refresh() is None


def test_file_that_grows_is_not_read(path: Path) -> None:
    """A partial file is no error: it is read once it has stayed the same."""
    file = followed(path)
    for size in range(2, 6):
        path.write_text("x" * size)
        assert file.refresh() is None
    path.write_text("22")
    assert changed(file) is True


def test_changed_symbolic_link_is_a_change(path: Path, tmp_path: Path) -> None:
    """Kubernetes updates mounted files this way."""
    other = tmp_path / "other"
    other.write_text("2")
    link = tmp_path / "link"
    link.symlink_to(path)
    file = followed(link)
    (tmp_path / "new").symlink_to(other)
    (tmp_path / "new").rename(link)
    assert changed(file) is True
    assert 2 == file.value


def test_file_that_could_not_be_read_is_read_later(path: Path) -> None:
    """Such as when the process had no file descriptor left. It is reported once."""
    failures: list[OSError] = []

    def parse(text: str) -> int:
        if failures:
            raise failures.pop()
        return number(text)

    file = followed(path, parse)
    failures += [OSError(errno.EMFILE, "Too many open files")] * 3
    path.write_text("22")
    assert changed(file) is False
    assert file.refresh() is None
    assert file.refresh() is None
    assert file.refresh() is True
    assert 22 == file.value
    assert file.refresh() is None


def _remove(path: Path) -> None:
    path.unlink()


def _break(path: Path) -> None:
    path.write_text("x")


def _garble(path: Path) -> None:
    path.write_bytes(b"\xff\xff")


def _bloat(path: Path) -> None:
    os.truncate(path, 2**25)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_remove, "cannot be read: No such file or directory"),
        (_break, "line 1: must be a number"),
        (_garble, "is not UTF-8"),
        (_bloat, "is larger than 16777216 bytes"),
    ],
)
def test_invalid_file_changes_nothing(
    path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    """It is reported once, with the reason; the next valid file is loaded."""
    file = followed(path)
    spoil(path)
    with capture_logs() as logs:
        assert changed(file) is False
        assert file.refresh() is None
    assert 1 == file.value
    assert [("error", f"{path}: {reason}")] == [(e["log_level"], e["reason"]) for e in logs]
    path.write_text("3")
    assert changed(file) is True
    assert 3 == file.value


def test_internal_error_changes_nothing(path: Path) -> None:
    """The next version of the file may be readable."""
    file = followed(path, lambda text: 10 // int(text))
    path.write_text("00")
    with capture_logs() as logs:
        assert changed(file) is False
    assert isinstance(logs[0]["exc_info"], ZeroDivisionError)
    assert 10 == file.value


def test_invalid_file_at_the_start_is_an_error(path: Path) -> None:
    """The error names the file."""
    _break(path)
    with pytest.raises(AccessFileError) as caught:
        followed(path)
    assert f"{path}: line 1: must be a number" == str(caught.value)
