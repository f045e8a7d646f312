"""Carries log lines to their sink on a thread of their own.

Logging neither blocks nor raises, whatever state the sink is in: lines that do not fit into the
queue, and lines that cannot be written, are dropped and counted.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from logging.handlers import QueueHandler, QueueListener
from queue import SimpleQueue

from hashfinder_process.sink import Sink

_CAPACITY = 10_000
"""Lines that wait to be written: some megabytes at most."""
_BATCH = 1_000
"""Lines that are written at once."""
_PAUSE_SECONDS = 0.005
"""After each write: in a storm of lines the event loop loses the interpreter that rarely."""
_FLUSH_SECONDS = 2.0
"""How long the end of a process waits for its last lines to be written."""


class LineQueue(QueueHandler):
    """Takes rendered lines from every thread, and from finalizers: it never waits."""

    queue: "SimpleQueue[object]"

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__(SimpleQueue())  # the one queue that a finalizer may put into
        self.dropped = 0
        """Lines lost so far."""

    def prepare(self, record: logging.LogRecord) -> str:
        """Return the record as a line, rendered by the thread that logs it."""
        return self.format(record)

    def enqueue(self, record: object) -> None:
        """Queue a rendered line; drop it where the queue is full."""
        if self.queue.qsize() < _CAPACITY:
            self.queue.put_nowait(record)
        else:
            self.drop(1)

    def drop(self, lines: int) -> None:
        """Count lines that are lost."""
        self.acquire()
        self.dropped += lines
        self.release()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
        """Count a line of a library that cannot be rendered."""
        self.drop(1)


class LogWriter(QueueListener):
    """Writes what is queued, and reports what was dropped once the sink takes lines again."""

    queue: "SimpleQueue[object]"

    def __init__(
        self, lines: LineQueue, descriptor: int, render_loss: Callable[[int], str]
    ) -> None:
        """Take the queue, the sink's descriptor, and what makes a line of a number of lines.

        Nothing is written before `start`, which raises RuntimeError where no thread can start.
        """
        super().__init__(lines.queue)
        self._lines = lines
        self._sink = Sink(descriptor)
        self._render_loss = render_loss
        self._reported = 0
        self._stopping: threading.Thread | None = None

    @property
    def dropped(self) -> int:
        """How many lines were lost so far."""
        return self._lines.dropped

    def handle(self, record: object) -> None:
        """Write a rendered line and those behind it; a fault costs these lines, not the thread."""
        batch = [str(record)]
        while len(batch) < _BATCH and not self.queue.empty():
            following = self.queue.get_nowait()
            if following is None:  # the end: for the thread's own loop
                self.enqueue_sentinel()
                break
            batch.append(str(following))
        try:
            self._write(batch)
        except BaseException:  # noqa: BLE001  # else all lines from now on would be lost
            self._lines.drop(len(batch))
        time.sleep(_PAUSE_SECONDS)

    def stop(self) -> None:
        """Write what is queued, and what was dropped and is not reported yet."""
        super().stop()
        self._report()

    def close(self, seconds: float = _FLUSH_SECONDS) -> None:
        """Write what is queued, for at most `seconds`: the sink may be stuck. May be repeated."""
        if self._stopping is None:
            self._stopping = threading.Thread(target=self.stop, daemon=True)
            with suppress(RuntimeError):  # no thread can start: the lines are lost
                self._stopping.start()
        if self._stopping.ident is not None:
            self._stopping.join(seconds)

    def _write(self, batch: list[str]) -> None:
        if lost := self._sink.write("\n".join(batch) + "\n"):
            self._lines.drop(lost)
        elif self.queue.empty():
            self._report()

    def _report(self) -> None:
        unreported = self.dropped - self._reported
        if unreported and not self._sink.write(self._render_loss(unreported) + "\n"):
            self._reported += unreported
