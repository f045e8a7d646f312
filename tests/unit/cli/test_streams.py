"""The standard streams, whatever they are connected to."""

import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from io import RawIOBase, StringIO
from pathlib import Path

import pytest

from hashfinder_cli import streams
from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.streams import OutputError, _BestEffort, _Closed, _Output, _text, reader_is_gone

MUCH = bytes(range(256)) * 2000
"""Half a megabyte, more than any pipe here holds."""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A non-blocking pipe; the test may close its reader."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    yield reader, writer
    os.close(writer)
    with suppress(OSError):  # the test may have closed it
        os.close(reader)


def test_no_byte_is_lost_in_a_non_blocking_pipe(pipe: tuple[int, int]) -> None:
    """A slow reader of a pipe with O_NONBLOCK gets everything."""
    reader, writer = pipe
    got = bytearray()

    def read() -> None:
        while len(got) < len(MUCH):
            got.extend(os.read(reader, 3000))
            time.sleep(0.0001)

    thread = threading.Thread(target=read)
    thread.start()
    assert len(MUCH) == _Output(writer).write(MUCH)

    thread.join(30)
    assert MUCH == got


def test_reader_that_has_left(pipe: tuple[int, int]) -> None:
    """A broken pipe is an error without a message, with the exit code of SIGPIPE."""
    reader, writer = pipe
    os.close(reader)

    with pytest.raises(OutputError) as error:
        _Output(writer).write(b"x")

    assert (ExitCode.BROKEN_PIPE, "") == (error.value.code, error.value.reason)


def test_full_disk() -> None:
    """A full disk is reported as such."""
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OutputError) as error:
        _Output(full.fileno()).write(b"x")

    assert (ExitCode.FAULT, "No space left on device") == (error.value.code, error.value.reason)


def test_closed() -> None:
    """A closed stdout is an error when it is written or checked, not before."""
    closed = _Closed()

    assert closed.writable()
    with pytest.raises(OutputError, match="it is closed"):
        closed.write(b"x")
    with pytest.raises(OutputError, match="it is closed"):
        closed.fileno()


def test_stalled_stderr_is_dropped(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A stalled reader delays the process once; output that it reads later is complete."""
    monkeypatch.setattr(streams, "PATIENCE", 0.2)
    reader, writer = pipe
    stderr = _BestEffort(writer)

    began = time.monotonic()
    for _ in range(20):
        assert len(MUCH) == stderr.write(MUCH)
    assert time.monotonic() - began < 2
    while select.select([reader], [], [], 0)[0]:
        os.read(reader, 65536)
    stderr.write(b"again")
    assert b"again" == os.read(reader, 65536)


def test_broken_stderr(pipe: tuple[int, int]) -> None:
    """Neither a full disk nor a broken pipe on stderr raises an exception."""
    reader, writer = pipe
    os.close(reader)
    with Path("/dev/full").open("wb", buffering=0) as full:
        for descriptor in (full.fileno(), writer):
            assert 1 == _BestEffort(descriptor).write(b"x")


class Poll:
    """A fake poll object that always returns one mask."""

    def __init__(self, mask: int) -> None:
        self._mask = mask

    def register(self, stream: object, events: int) -> None:
        """Ignore the registration."""

    def poll(self, timeout: int) -> list[tuple[int, int]]:
        """Return the mask."""
        return [(1, self._mask)] if self._mask else []


@pytest.mark.parametrize(
    ("mask", "is_gone"),
    [
        (0, False),
        (select.POLLNVAL, False),
        (select.POLLERR, True),
        (select.POLLHUP, True),
        (select.POLLERR | select.POLLNVAL, True),
    ],
)
def test_reader_is_gone(monkeypatch: pytest.MonkeyPatch, mask: int, *, is_gone: bool) -> None:
    """Only an error or a hang-up counts: macOS returns POLLNVAL for terminals."""
    monkeypatch.setattr(select, "poll", lambda: Poll(mask))

    assert is_gone == reader_is_gone(StringIO())


def test_nothing_is_left_in_a_buffer() -> None:
    """The interpreter does not write it again when it exits."""

    class Once(RawIOBase):
        writes = 0

        def writable(self) -> bool:
            return True

        def write(self, _: object) -> int:
            self.writes += 1
            raise OutputError(OSError(28, "full"))

    raw = Once()
    text = _text(raw, None)
    with pytest.raises(OutputError):
        text.write("x\n")

    text.flush()
    assert 1 == raw.writes
