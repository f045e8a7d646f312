"""Structured logs on stderr, as JSON or for a console."""

import logging
import os
import sys
import threading

import structlog

from hashfinder_process.entry import ProgramError
from hashfinder_process.json_lines import JsonFormatter, JsonLogger
from hashfinder_process.log_writer import LineQueue, LogWriter

_STDERR = 2
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


def is_for_console(log_format: str) -> bool:
    """Return whether lines are for a person: by this setting, or on a terminal if it is auto."""
    return log_format == "console" or (log_format == "auto" and sys.stderr.isatty())


def configure_logging(*, console: bool, level: str, descriptor: int = _STDERR) -> LogWriter:
    """Send the logs of all libraries and our own through one renderer and one writer.

    It is JSON, or text for a console. Close the writer before the process ends.

    Raises:
        ProgramError: its thread cannot start.
    """
    queue = LineQueue()
    formatter = _console(queue, level, descriptor) if console else _json(queue, level)
    queue.setFormatter(formatter)

    def render_loss(lines: int) -> str:
        event = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"}
        record = logging.makeLogRecord({**event, "msg": "log lines dropped", "lines": lines})
        return formatter.format(record)

    writer = LogWriter(queue, descriptor, render_loss)
    try:
        writer.start()
    except RuntimeError as error:
        message = f"cannot start: {error}"
        raise ProgramError(message) from None
    logging.basicConfig(handlers=[queue], level=level.upper(), force=True)
    return writer


def log_stray_errors() -> None:
    """Send to the log what Python writes to stderr: warnings, and uncaught errors."""
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda kind, error, trace: _log.critical(
        "uncaught error", exc_info=(kind, error, trace)
    )
    threading.excepthook = lambda args: _log.error(
        "thread died", thread=args.thread and args.thread.name, exc_info=args.exc_value
    )
    sys.unraisablehook = lambda args: _log.error(
        "error in a finalizer", object=repr(args.object), exc_info=args.exc_value
    )


def _json(queue: LineQueue, level: str) -> logging.Formatter:
    structlog.configure(
        logger_factory=lambda name: JsonLogger(name, level, queue.enqueue),
        wrapper_class=lambda logger, **_: logger,  # type: ignore[arg-type]  # it is whole already
        cache_logger_on_first_use=True,
    )
    return JsonFormatter()


def _console(queue: LineQueue, level: str, descriptor: int) -> logging.Formatter:
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = structlog.dev.ConsoleRenderer(colors=os.isatty(descriptor))
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=lambda name: _QueueLogger(name, queue),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


class _QueueLogger:
    """Queues rendered lines, past the standard library's loggers."""

    def __init__(self, name: str, queue: LineQueue) -> None:
        self.name = name
        self.debug = self.info = self.warning = self.error = self.critical = queue.enqueue
