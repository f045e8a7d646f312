"""The state file: complete at any moment, and used by one process at a time."""

import os
from pathlib import Path

import pytest

from hashfinder_cli.state import state_file
from hashfinder_cli.state.state_file import InUseError, StateFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file that does not exist yet."""
    return tmp_path / "state"


def test_content_is_the_last_one_written(path: Path) -> None:
    """It starts empty, and no other file is left in the folder."""
    file = StateFile.open(str(path))
    assert b"" == file.read()
    for content in (b"one", b"two"):
        file.write(content)
        assert (content, content) == (file.read(), path.read_bytes())
    file.close()
    assert [path] == list(path.parent.iterdir())


def test_second_process_is_refused(path: Path) -> None:
    """Before and after each write, until the first process closes it."""
    file = StateFile.open(str(path))
    for content in (b"one", b"two"):
        with pytest.raises(InUseError):
            StateFile.open(str(path))
        file.write(content)
    with pytest.raises(InUseError):
        StateFile.open(str(path))
    file.close()
    StateFile.open(str(path)).close()


def test_process_that_opened_the_replaced_file_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has locked a file that was replaced meanwhile, so it opens the path again."""
    first = StateFile.open(str(path))
    lock = state_file._lock  # noqa: SLF001
    calls: list[int] = []

    def late(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:  # between the open and the lock of the second process
            monkeypatch.setattr(state_file, "_lock", lock)
            first.write(b"new")
            monkeypatch.setattr(state_file, "_lock", late)
        lock(descriptor)

    monkeypatch.setattr(state_file, "_lock", late)
    with pytest.raises(InUseError):
        StateFile.open(str(path))
    assert 2 == len(calls)
    first.close()


def test_failed_write_leaves_the_old_content(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is kept, and no temporary file is left."""
    file = StateFile.open(str(path))
    file.write(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            file.write(b"new")
    assert (b"old", [path]) == (path.read_bytes(), list(path.parent.iterdir()))
    with pytest.raises(InUseError):
        StateFile.open(str(path))
    file.write(b"newer")
    assert b"newer" == path.read_bytes()
    file.close()


def test_temporary_file_of_a_killed_process_is_ignored(path: Path) -> None:
    """The process was killed during a write."""
    path.with_name("state.tmp").write_bytes(b"half")
    file = StateFile.open(str(path))
    file.write(b"whole")
    file.close()
    assert [path] == list(path.parent.iterdir())


def test_symbolic_link_is_kept(path: Path) -> None:
    """Its target is written."""
    link = path.with_name("link")
    link.symlink_to(path)
    file = StateFile.open(str(link))
    file.write(b"x")
    file.close()
    assert link.is_symlink()
    assert b"x" == path.read_bytes()


def test_only_its_owner_reads_it(path: Path) -> None:
    """A search is private."""
    file = StateFile.open(str(path))
    file.write(b"x")
    file.close()
    assert 0o600 == path.stat().st_mode & 0o777


@pytest.mark.parametrize("where", ["/dev/null", "/nowhere/at/all", "/", "/sys/state"])
def test_other_kinds_of_files_are_refused(where: str) -> None:
    """In particular, a device is not replaced by a file."""
    with pytest.raises(OSError, match=r"regular file|No such|Is a directory|ermi|Read-only"):
        StateFile.open(where)
