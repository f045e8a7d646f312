"""The end of a stream is noticed, whatever kind of stream it is."""

import os
import threading
from pathlib import Path

from hashfinder.runtime.lifeline import watch_end

SECONDS = 20


def test_end_of_a_pipe_is_noticed_once_all_of_it_is_read() -> None:
    """Data is discarded; nothing is called before the end."""
    ended = threading.Event()
    reading, writing = os.pipe()
    watch_end(reading, ended.set)
    os.write(writing, b"x" * 10_000)
    assert not ended.wait(0.05)
    os.close(writing)
    assert ended.wait(SECONDS)
    os.close(reading)


def test_pipe_that_does_not_block_is_waited_for() -> None:
    """Another user of the pipe may have made it non-blocking."""
    ended = threading.Event()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)  # a side effect of another user
    watch_end(reading, ended.set)
    assert not ended.wait(0.05)
    os.close(writing)
    assert ended.wait(SECONDS)
    os.close(reading)


def test_unreadable_stream_has_ended(tmp_path: Path) -> None:
    """Such as a file at its end, or a folder."""
    for path in (Path(os.devnull), tmp_path):
        ended = threading.Event()
        descriptor = os.open(path, os.O_RDONLY)
        watch_end(descriptor, ended.set)
        assert ended.wait(SECONDS)
        os.close(descriptor)
