"""Credentials follow their files."""

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
    """Files that work."""
    certificate, key = authority.server().write(tmp_path, "server")
    return TlsFiles(str(certificate), str(key))


def put(files: TlsFiles, pair: Pair) -> None:
    """Replace the files' contents."""
    Path(files.certificate).write_bytes(pair.certificate)
    Path(files.key).write_bytes(pair.key)


def cut(files: TlsFiles, pair: Pair, size: int) -> None:
    """Write the beginning of a certificate."""
    Path(files.certificate).write_bytes(pair.certificate[:size])


async def test_changed_set_is_taken(files: TlsFiles, authority: Authority) -> None:
    """Once, when it has been seen twice."""
    credentials = TlsCredentials(files)
    put(files, authority.server(ends=datetime.now(UTC) + timedelta(days=2)))
    before = credentials.expires
    await credentials.look()
    assert (0, before) == (credentials.reloads, credentials.expires)
    await credentials.look()
    assert credentials.expires < before
    await credentials.look()
    assert (1, 0) == (credentials.reloads, credentials.failed_reloads)


async def test_set_that_does_not_work_is_reported_once(
    files: TlsFiles, authority: Authority
) -> None:
    """And the former one remains, until the next change."""
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
    assert ["info", "error", "info"] == [line["log_level"] for line in lines]


async def test_files_that_are_being_written_are_left_alone(
    files: TlsFiles, authority: Authority
) -> None:
    """Half of a file is no fault as long as it grows."""
    credentials = TlsCredentials(files)
    renewed = authority.server()
    for size in range(100, 110):
        cut(files, renewed, size)
        await credentials.look()
    put(files, renewed)
    for _ in range(2):
        await credentials.look()
    assert (1, 0) == (credentials.reloads, credentials.failed_reloads)


async def test_former_set_put_back_is_no_change(files: TlsFiles, tmp_path: Path) -> None:
    """The file that was there before, with its times."""
    credentials = TlsCredentials(files)
    move_away_and_back(files, tmp_path)
    for _ in range(3):
        await credentials.look()
    assert (0, 0) == (credentials.reloads, credentials.failed_reloads)


def move_away_and_back(files: TlsFiles, folder: Path) -> None:
    """Leave the key missing for a moment."""
    Path(files.key).rename(folder / "away")
    (folder / "away").rename(files.key)
