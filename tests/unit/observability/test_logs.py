"""The log on stderr: our own lines and those of other libraries, through one renderer."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from hashfinder.observability.logs import LogFormat, configure_logging


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo what the tests configure."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def log() -> structlog.stdlib.BoundLogger:
    """Return a logger, made before the log is configured, as those of modules are."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("hashfinder.test")
    return logger


def json_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Return what was logged; nothing of it on stdout."""
    captured = capsys.readouterr()
    assert "" == captured.out
    return [json.loads(line) for line in captured.err.splitlines()]


def test_json_has_one_object_a_line(
    log: structlog.stdlib.BoundLogger, capsys: pytest.CaptureFixture[str]
) -> None:
    """With event, level, logger, time in UTC, and what else was told, as it is."""
    configure_logging(LogFormat.JSON, "info")
    log.info("rpc ended", seconds=0.5, cause=None, text="two\nlines \u00e9")
    (line,) = json_lines(capsys)
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


def test_lines_of_other_libraries_look_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Their arguments filled in, their extras kept."""
    configure_logging(LogFormat.JSON, "info")
    logging.getLogger("grpc.aio").warning("lost %s of %d", "peer", 3, extra={"peer": "x"})
    (line,) = json_lines(capsys)
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
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On the same line, so that it belongs to its request id."""
    configure_logging(LogFormat.JSON, "info")
    try:
        raise RuntimeError("boom")  # noqa: EM101, TRY301  # only to have a trace
    except RuntimeError as error:
        if foreign:
            logging.getLogger("asyncio").exception("unhandled")
        else:
            log.error("internal error", request_id="7", exc_info=error)  # noqa: TRY400  # as the server does
    (line,) = json_lines(capsys)
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
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of ours and of others."""
    configure_logging(LogFormat.JSON, level)
    for logger in (log, logging.getLogger("other")):
        logger.debug("a")
        logger.info("b")
        logger.warning("c")
        logger.error("d")
    assert expected * 2 == [line["event"] for line in json_lines(capsys)]


def test_console_is_for_people(
    log: structlog.stdlib.BoundLogger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plain text without colours where stderr is no terminal."""
    configure_logging(LogFormat.CONSOLE, "info")
    log.info("serving", port=50051)
    logging.getLogger("other").warning("careful %s", "now")
    captured = capsys.readouterr()
    own, foreign = captured.err.splitlines()
    assert "" == captured.out
    assert "\x1b" not in captured.err
    assert all(part in own for part in ("info", "serving", "port=50051", "hashfinder.test"))
    assert all(part in foreign for part in ("warning", "careful now", "other"))


def test_configuring_again_replaces_what_was(
    log: structlog.stdlib.BoundLogger, capsys: pytest.CaptureFixture[str]
) -> None:
    """No line comes twice."""
    configure_logging(LogFormat.CONSOLE, "debug")
    configure_logging(LogFormat.JSON, "info")
    log.debug("left out")
    log.info("once")
    assert ["once"] == [line["event"] for line in json_lines(capsys)]
