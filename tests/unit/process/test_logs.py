"""The log on stderr: our own lines and those of libraries, in one format."""

import json
import logging
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import PurePath

import pytest
import structlog

from hashfinder_process.log_writer import LogWriter
from hashfinder_process.logs import configure_logging
from hashfinder_process.sink import Sink


class Code(StrEnum):
    """A text that is not of the type `str` itself."""

    OK = "ok"


class Stderr:
    """The output of the log on stderr."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        """Start with an unconfigured log."""
        self._capfd = capfd
        self._writers: list[LogWriter] = []

    def configure(self, level: str, *, console: bool = False) -> LogWriter:
        """Configure the log."""
        self._writers.append(configure_logging(console=console, level=level))
        return self._writers[-1]

    def text(self) -> str:
        """Return the log's output; checks that stdout is empty."""
        while self._writers:
            self._writers.pop().close(10)
        captured = self._capfd.readouterr()
        assert "" == captured.out
        return captured.err

    def json(self) -> list[dict[str, object]]:
        """Return the logged lines, decoded."""
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def stderr(capfd: pytest.CaptureFixture[str]) -> Iterator[Stderr]:
    """Return the log's stderr; restore the configuration afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stderr = Stderr(capfd)
    yield stderr
    stderr.text()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def log() -> structlog.stdlib.BoundLogger:
    """Return a logger made before the log is configured, like those of modules."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("hashfinder.test")
    return logger


def test_json_has_one_object_a_line(log: structlog.stdlib.BoundLogger, stderr: Stderr) -> None:
    """It has event, level, logger, time in UTC, and the other values unchanged."""
    stderr.configure("info")
    log.info("rpc ended", seconds=0.5, cause=None, text="two\nlines \u00e9")
    (line,) = stderr.json()
    timestamp = line.pop("timestamp")
    assert isinstance(timestamp, str)
    assert timestamp.endswith("Z")
    assert {
        "event": "rpc ended",
        "level": "info",
        "logger": "hashfinder.test",
        "seconds": 0.5,
        "cause": None,
        "text": "two\nlines \u00e9",
    } == line


def test_values_are_those_of_json(log: structlog.stdlib.BoundLogger, stderr: Stderr) -> None:
    """What JSON does not know is its text; names and values are escaped."""
    stderr.configure("info")
    values = {"yes": True, "count": 3, "list": [1, None], "path": PurePath("/x"), "e": Code.OK}
    log.info('quote "', **values)
    logging.getLogger("other").info("extra", extra={'a "name"': "\u2028"})
    own, foreign = stderr.json()
    expected = {"yes": True, "count": 3, "list": [1, None], "path": repr(PurePath("/x")), "e": "ok"}
    assert ('quote "', expected) == (own["event"], {name: own[name] for name in values})
    assert "\u2028" == foreign['a "name"']


def test_lines_of_other_libraries_look_the_same(stderr: Stderr) -> None:
    """Arguments are inserted, extras are kept."""
    stderr.configure("info")
    logging.getLogger("grpc.aio").warning("lost %s of %d", "peer", 3, extra={"peer": "x"})
    (line,) = stderr.json()
    assert ("lost peer of 3", "warning", "grpc.aio", "x") == (
        line["event"],
        line["level"],
        line["logger"],
        line["peer"],
    )
    assert "timestamp" in line


@pytest.mark.parametrize("foreign", [False, True])
def test_exception_is_logged_with_its_trace(
    foreign: bool,  # noqa: FBT001  # a case of the test
    log: structlog.stdlib.BoundLogger,
    stderr: Stderr,
) -> None:
    """It is on the same line, together with the request id."""
    stderr.configure("info")
    try:
        raise RuntimeError("boom")  # noqa: EM101, TRY301  # only to have a trace
    except RuntimeError as error:
        if foreign:
            logging.getLogger("asyncio").exception("unhandled")
        else:
            log.error("internal error", request_id="7", exc_info=error)  # noqa: TRY400  # as the server does
    (line,) = stderr.json()
    assert "error" == line["level"]
    text = json.dumps(line)
    assert "RuntimeError" in text
    assert "boom" in text
    assert "test_exception_is_logged_with_its_trace" in text


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["a", "b", "c", "d"]),
        ("info", ["b", "c", "d"]),
        ("warning", ["c", "d"]),
        ("error", ["d"]),
    ],
)
def test_less_severe_lines_are_left_out(
    level: str,
    expected: list[str],
    log: structlog.stdlib.BoundLogger,
    stderr: Stderr,
) -> None:
    """Both of our lines and of libraries'."""
    stderr.configure(level)
    for logger in (log, logging.getLogger("other")):
        logger.debug("a")
        logger.info("b")
        logger.warning("c")
        logger.error("d")
    assert expected * 2 == [line["event"] for line in stderr.json()]


def test_console_is_for_people(log: structlog.stdlib.BoundLogger, stderr: Stderr) -> None:
    """It is plain text, without colours if stderr is not a terminal."""
    stderr.configure("info", console=True)
    log.info("serving", port=50051)
    logging.getLogger("other").warning("careful %s", "now")
    text = stderr.text()
    own, foreign = text.splitlines()
    assert "\x1b" not in text
    assert all(part in own for part in ("info", "serving", "port=50051", "hashfinder.test"))
    assert all(part in foreign for part in ("warning", "careful now", "other"))


def test_configuring_again_replaces_what_was(
    log: structlog.stdlib.BoundLogger, stderr: Stderr
) -> None:
    """No line is written twice."""
    stderr.configure("debug", console=True)
    stderr.configure("info")
    log.debug("left out")
    log.info("once")
    assert ["once"] == [line["event"] for line in stderr.json()]


@pytest.mark.parametrize("busy", [False, True], ids=["writer idle", "writer at its end"])
def test_line_that_cannot_be_rendered_is_counted(
    stderr: Stderr, monkeypatch: pytest.MonkeyPatch, *, busy: bool
) -> None:
    """A library's mistake affects neither its caller nor stderr.

    The loss is also reported if the writer is closed before it has written the last line.
    """
    writer = stderr.configure("info")
    if busy:
        write = Sink.write

        def slow(sink: Sink, text: str) -> int:
            time.sleep(0.2)
            return write(sink, text)

        monkeypatch.setattr(Sink, "write", slow)
    logging.getLogger("other").warning("one %s, but two: %s", "argument")  # noqa: PLE1206  # the mistake
    logging.getLogger("other").warning("sound")
    first, report = stderr.json()
    assert ("sound", "log lines dropped", 1) == (first["event"], report["event"], report["lines"])
    assert 1 == writer.dropped
