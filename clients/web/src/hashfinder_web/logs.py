"""Structured logs on stderr, as JSON or for a console, written on a thread of their own.

A reader of stderr that is slow, or does not read, must not keep the event loop: lines beyond a
bound are dropped.
"""

import logging
import queue
import sys
from contextlib import suppress
from logging.handlers import QueueHandler, QueueListener

import structlog

_CAPACITY = 10_000
"""Lines that wait to be written."""


class _LineQueue(QueueHandler):
    """Queues rendered lines, and drops them where the queue is full."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.msg, record.args, record.exc_info = self.format(record), None, None
        record.exc_text = record.stack_info = None
        return record

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Drop the line."""


def configure_logging(*, as_json: bool, level: str) -> QueueListener:
    """Send the logs of all libraries and our own through one renderer and one writer.

    Stop the writer that is returned before the process ends.
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
        renderers = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    lines: queue.Queue[object] = queue.Queue(_CAPACITY)
    handler = _LineQueue(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # peers can cause its warnings
    logging.captureWarnings(capture=True)
    writer = QueueListener(lines, _Stderr(sys.stderr))
    writer.start()
    return writer


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg]  # of whatever stderr is
    """Writes lines as they are; those that cannot be written are lost."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
        with suppress(OSError):
            self.flush()
