"""The queue of log lines and the thread that writes them, with sinks in every state."""

import errno
import os
import threading
import time
from collections.abc import Iterator

import pytest

from hashfinder_process import log_writer
from hashfinder_process.log_writer import LineQueue, LogWriter
from hashfinder_process.sink import Sink

PATIENCE_SECONDS = 20.0


class Descriptor:
    """A file descriptor that accepts as many bytes as the test allows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Accept everything."""
        self.taken = b""
        self.error: int | None = None
        self.space: int | None = None
        self.open = threading.Event()
        self.open.set()
        monkeypatch.setattr(os, "write", self._write)

    def _write(self, descriptor: int, data: bytes) -> int:
        assert 99 == descriptor
        assert self.open.wait(PATIENCE_SECONDS)
        if self.error is not None and not self.space:
            raise OSError(self.error, os.strerror(self.error))
        space = len(data) if self.space is None else self.space
        self.space = None if self.space is None else self.space - len(data[:space])
        self.taken += data[:space]
        return len(data[:space])

    def wait_for(self, data: bytes) -> None:
        """Return when exactly this was written."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while data != self.taken:
            assert time.monotonic() < deadline, (data, self.taken)
            time.sleep(0.001)


class Log:
    """A queue, its writer and its sink."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Start the writer."""
        self.sink = Descriptor(monkeypatch)
        self.queue = LineQueue()
        self.writer = LogWriter(self.queue, 99, lambda lines: f"lost {lines}")
        self.writer.start()

    def put(self, *lines: str) -> None:
        """Log some lines."""
        for line in lines:
            self.queue.enqueue(line)

    def wait_for_losses(self, lines: int) -> None:
        """Return when this many lines are lost."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while lines != self.writer.dropped:
            assert time.monotonic() < deadline, self.writer.dropped
            time.sleep(0.001)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """Return a log that writes to the test's descriptor."""
    log = Log(monkeypatch)
    yield log
    log.sink.open.set()
    log.writer.close(PATIENCE_SECONDS)


def test_lines_are_written_in_order(log: Log) -> None:
    """Other characters are encoded as UTF-8; invalid text is escaped."""
    log.put("a", "é", "\udcff")
    log.sink.wait_for("a\né\n\\udcff\n".encode())
    assert 0 == log.writer.dropped


def test_full_queue_drops_new_lines_without_waiting(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queued lines are written when the reader reads, followed by the number of missing lines."""
    monkeypatch.setattr(log_writer, "_CAPACITY", 3)
    log.sink.open.clear()
    log.put("first")
    while not log.queue.queue.empty():  # until the writer blocks on the first line
        time.sleep(0.001)
    log.put("a", "b", "c", "d", "e")
    assert 2 == log.writer.dropped
    log.sink.open.set()
    log.sink.wait_for(b"first\na\nb\nc\nlost 2\n")
    log.put("after")
    log.sink.wait_for(b"first\na\nb\nc\nlost 2\nafter\n")


@pytest.mark.parametrize("code", [errno.EPIPE, errno.ENOSPC, errno.EBADF, errno.EIO, errno.EFBIG])
def test_broken_sink_loses_lines_until_it_works_again(log: Log, code: int) -> None:
    """The loss is reported once, after the next line that can be written."""
    log.sink.error = code
    log.put("a")
    log.wait_for_losses(1)
    log.put("b")
    log.wait_for_losses(2)
    log.sink.error = None
    log.put("c")
    log.sink.wait_for(b"c\nlost 2\n")
    log.put("d")
    log.sink.wait_for(b"c\nlost 2\nd\n")


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_partial_line_is_completed(log: Log, failures: int) -> None:
    """If a disk is full in mid-line and has space again later, every line is whole."""
    log.sink.error, log.sink.space = errno.ENOSPC, 5
    log.put("abcdefgh")
    log.sink.wait_for(b"abcde")
    for lost in range(failures):
        log.put("lost")
        log.wait_for_losses(lost + 1)
    log.sink.error = log.sink.space = None
    log.put("next")
    report = f"lost {failures}\n".encode() if failures else b""
    log.sink.wait_for(b"abcdefgh\nnext\n" + report)


def test_new_reader_of_a_pipe_gets_no_partial_line(log: Log) -> None:
    """The line being written when the old reader left is lost."""
    log.sink.error, log.sink.space = errno.EPIPE, 5
    log.put("abcdefgh")
    log.wait_for_losses(1)
    log.sink.error = log.sink.space = None
    log.put("next")
    log.sink.wait_for(b"abcdenext\nlost 1\n")


def test_non_blocking_sink_is_waited_for(log: Log) -> None:
    """While it has no space, no line is lost or cut."""
    log.sink.error, log.sink.space = errno.EAGAIN, 3
    log.put("abcdefgh")
    log.sink.wait_for(b"abc")
    time.sleep(0.05)
    assert 0 == log.writer.dropped
    log.sink.error = log.sink.space = None
    log.sink.wait_for(b"abcdefgh\n")


def test_close_writes_what_is_queued(log: Log) -> None:
    """All lines are written, however many."""
    lines = [str(number) for number in range(5000)]
    log.put(*lines)
    log.writer.close(PATIENCE_SECONDS)
    assert "".join(f"{line}\n" for line in lines).encode() == log.sink.taken


def test_close_does_not_wait_for_a_blocked_sink(log: Log) -> None:
    """It waits no longer than its limit."""
    log.sink.open.clear()
    log.put("a")
    began = time.monotonic()
    log.writer.close(0.05)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("fault", [RuntimeError, MemoryError, SystemExit])
def test_fault_costs_the_lines_in_hand_and_not_the_thread(
    log: Log, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    """Whatever goes wrong in the thread, it writes the next line, and reports what is lost."""
    write = Sink.write

    def broken(sink: Sink, text: str) -> int:
        if "doomed" in text:
            raise fault
        return write(sink, text)

    monkeypatch.setattr(Sink, "write", broken)
    log.put("doomed")
    log.wait_for_losses(1)
    log.put("next")
    log.sink.wait_for(b"next\nlost 1\n")
