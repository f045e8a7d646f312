"""Credentials are reloaded when their files change."""

import asyncio
import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from deploy.certs import Authority, Pair
from hashfinder.transport.certificates import TlsFiles
from hashfinder.transport.credentials import TlsCredentials


@pytest.fixture
def authority() -> Authority:
    """A CA."""
    return Authority()


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> TlsFiles:
    """Valid files."""
    certificate, key = authority.server().write(tmp_path, "server")
    return TlsFiles(str(certificate), str(key))


def put(files: TlsFiles, pair: Pair) -> None:
    """Replace the contents of the files."""
    Path(files.certificate).write_bytes(pair.certificate)
    Path(files.key).write_bytes(pair.key)


def cut(files: TlsFiles, pair: Pair, size: int) -> None:
    """Write only the first `size` bytes of a certificate."""
    Path(files.certificate).write_bytes(pair.certificate[:size])


async def test_changed_set_is_loaded(files: TlsFiles, authority: Authority) -> None:
    """It is loaded once, after the same contents were seen twice."""
    credentials = TlsCredentials(files)
    put(files, authority.server(ends=datetime.now(UTC) + timedelta(days=2)))
    before = credentials.expires
    await credentials.look()
    assert (0, before) == (credentials.reloads, credentials.expires)
    await credentials.look()
    assert credentials.expires < before
    await credentials.look()
    assert (1, 0) == (credentials.reloads, credentials.failed_reloads)


async def test_invalid_set_is_reported_once(files: TlsFiles, authority: Authority) -> None:
    """The last valid set remains in use until the next change."""
    with structlog.testing.capture_logs() as lines:
        credentials = TlsCredentials(files)
        before = credentials.expires
        put(files, Pair(b"broken", b"broken"))
        for _ in range(5):
            await credentials.look()
        assert (0, 1, before) == (
            credentials.reloads,
            credentials.failed_reloads,
            credentials.expires,
        )
        put(files, authority.server())
        for _ in range(5):
            await credentials.look()
    assert (1, 1) == (credentials.reloads, credentials.failed_reloads)
    assert ["info", "error", "info", "info"] == [line["log_level"] for line in lines]


async def test_set_that_could_not_be_read_is_read_later(
    files: TlsFiles, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as when the process had no file descriptor left. It is reported once."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    credentials = TlsCredentials(files)
    put(files, authority.server())
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        for _ in range(4):
            await credentials.look()
    assert (0, 1) == (credentials.reloads, credentials.failed_reloads)
    await credentials.look()
    assert (1, 1) == (credentials.reloads, credentials.failed_reloads)


async def test_incomplete_files_are_not_read(files: TlsFiles, authority: Authority) -> None:
    """A partial file is not an error while it still grows."""
    credentials = TlsCredentials(files)
    renewed = authority.server()
    for size in range(100, 110):
        cut(files, renewed, size)
        await credentials.look()
    put(files, renewed)
    for _ in range(2):
        await credentials.look()
    assert (1, 0) == (credentials.reloads, credentials.failed_reloads)


async def test_restored_set_is_not_a_change(files: TlsFiles, tmp_path: Path) -> None:
    """The same files, with the same times, were moved away and back."""
    credentials = TlsCredentials(files)
    move_away_and_back(files, tmp_path)
    for _ in range(3):
        await credentials.look()
    assert (0, 0) == (credentials.reloads, credentials.failed_reloads)


async def test_system_without_threads_is_looked_at_again(
    files: TlsFiles, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where none can start, the next looks that can take the change."""
    credentials = TlsCredentials(files)
    put(files, authority.server())
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "to_thread", refuse)
        for _ in range(3):
            await credentials.look()
    assert (0, 0) == (credentials.reloads, credentials.failed_reloads)
    for _ in range(2):
        await credentials.look()
    assert 1 == credentials.reloads


async def refuse(*_: object) -> None:
    """Stand for `asyncio.to_thread` where the system lets no more threads start."""
    message = "can't start new thread"
    raise RuntimeError(message)


async def test_fault_is_a_set_that_does_not_work(
    files: TlsFiles, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is, the files are followed from then on as before."""

    def broken(_files: TlsFiles) -> None:
        raise ZeroDivisionError

    credentials = TlsCredentials(files)
    put(files, authority.server())
    with monkeypatch.context() as patched:
        patched.setattr("hashfinder.transport.credentials.load_certificates", broken)
        for _ in range(3):
            await credentials.look()
    assert (0, 1) == (credentials.reloads, credentials.failed_reloads)
    put(files, authority.server())
    for _ in range(2):
        await credentials.look()
    assert (1, 1) == (credentials.reloads, credentials.failed_reloads)


def move_away_and_back(files: TlsFiles, folder: Path) -> None:
    """Move the key away and back."""
    Path(files.key).rename(folder / "away")
    (folder / "away").rename(files.key)
