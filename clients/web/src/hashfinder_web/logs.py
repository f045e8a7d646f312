"""Structured logs on stderr, as JSON or for a console, written on a thread of their own.

A reader of stderr that is slow, or does not read, keeps neither the event loop nor the end of the
process: lines that do not fit, or cannot be written, are lost and counted.
"""

import logging
import os
import queue
import threading
import time
from contextlib import suppress
from logging.handlers import QueueHandler, QueueListener

import structlog

_CAPACITY = 10_000
"""Lines that wait to be written."""
_RETRY_SECONDS = 0.02
_STDERR = 2


class _LineQueue(QueueHandler):
    """Queues rendered lines, and drops them where the queue is full."""

    queue: "queue.Queue[object]"

    def __init__(self) -> None:
        super().__init__(queue.Queue(_CAPACITY))
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> str:
        return self.format(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
        """Count a line that does not fit, or cannot be rendered."""
        self.dropped += 1


class LogWriter(QueueListener):
    """Writes lines to a descriptor, which may be full, slow, broken, or not block."""

    queue: "queue.Queue[object]"

    def __init__(self, lines: _LineQueue, descriptor: int) -> None:
        """Take where lines come from, and where they go.

        Nothing is written before `start`, which raises RuntimeError where no thread can start.
        """
        super().__init__(lines.queue)
        self._lines = lines
        self._descriptor = descriptor
        self._unwritten = 0

    @property
    def dropped(self) -> int:
        """How many lines were lost so far."""
        return self._lines.dropped + self._unwritten

    def handle(self, record: object) -> None:
        """Write a rendered line; one that cannot be written is lost."""
        data = f"{record}\n".encode("utf-8", "backslashreplace")
        try:
            while data:
                data = data[self._write(data) :]
        except Exception:  # noqa: BLE001  # whatever it is, the next line is written
            self._unwritten += 1

    def enqueue_sentinel(self) -> None:
        """Ask the thread to end, as soon as there is room for that."""
        self.queue.put(None)

    def close(self, seconds: float) -> None:
        """Write what is queued, for at most `seconds`: the reader may be stuck."""
        stopping = threading.Thread(target=self.stop, daemon=True)
        with suppress(RuntimeError):  # no thread can start: the lines are lost
            stopping.start()
            stopping.join(seconds)

    def _write(self, data: bytes) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # another process made the pipe non-blocking
            time.sleep(_RETRY_SECONDS)
            return 0


def configure_logging(*, as_json: bool, level: str, descriptor: int = _STDERR) -> LogWriter:
    """Send the logs of all libraries and our own through one renderer and one writer.

    Close the writer that is returned before the process ends.

    Raises:
        RuntimeError: its thread cannot start.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[structlog.typing.Processor]
    if as_json:
        traces = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        renderers = [
            structlog.processors.ExceptionRenderer(traces),
            structlog.processors.JSONRenderer(),
        ]
    else:
        renderers = [structlog.dev.ConsoleRenderer(colors=os.isatty(descriptor))]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = _LineQueue()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # peers can cause its warnings
    logging.captureWarnings(capture=True)
    writer = LogWriter(handler, descriptor)
    writer.start()
    return writer
