"""The end of a stream is noticed, whatever it is."""

import os
import threading
from pathlib import Path

from hashfinder.runtime.lifeline import watch_end

SECONDS = 20


def test_end_of_a_pipe_is_noticed_once_all_of_it_is_read() -> None:
    """What is written is thrown away; nothing is called before."""
    ended = threading.Event()
    reading, writing = os.pipe()
    watch_end(reading, ended.set)
    os.write(writing, b"x" * 10_000)
    assert not ended.wait(0.05)
    os.close(writing)
    assert ended.wait(SECONDS)
    os.close(reading)


def test_pipe_that_does_not_block_is_waited_for() -> None:
    """Its other users may have made it so."""
    ended = threading.Event()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)  # as the library has it
    watch_end(reading, ended.set)
    assert not ended.wait(0.05)
    os.close(writing)
    assert ended.wait(SECONDS)
    os.close(reading)


def test_what_cannot_be_read_has_ended(tmp_path: Path) -> None:
    """A file at its end, and a folder."""
    for path in (Path(os.devnull), tmp_path):
        ended = threading.Event()
        descriptor = os.open(path, os.O_RDONLY)
        watch_end(descriptor, ended.set)
        assert ended.wait(SECONDS)
        os.close(descriptor)
