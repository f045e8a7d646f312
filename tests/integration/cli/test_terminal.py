"""The real process on a pseudo-terminal."""

import contextlib
import os
import pty
import re
import threading
from collections.abc import Callable, Iterator

import grpc
import pytest

from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse, SearchProgress
from tests.integration.scripted import ServeScript, Start, hash_of

OnTerminal = Callable[..., tuple[int, str, str]]
EMPTY_HASH = hash_of(b"")
COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*[39][0-7][;m]")
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
SPINNER = re.compile(r"([⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]) 2jmj7l  0\.[0-9] s")


@pytest.fixture
def server(serve_script: ServeScript) -> str:
    """The address of a server that sends a report, and a result after half a second."""

    def script(request: HashNameRequest, _: grpc.ServicerContext) -> Iterator[HashNameResponse]:
        if request.HasField("progress_interval"):
            yield HashNameResponse(
                progress=SearchProgress(
                    hashes_computed=123456, next_position=123456, hashes_per_second=2.5e6
                )
            )
        threading.Event().wait(0.5)
        yield HashNameResponse(hashed_name=EMPTY_HASH, position=0)

    return serve_script(script)


@pytest.fixture
def on_terminal(start: Start) -> OnTerminal:
    """Run `hashfinder` on a terminal; return exit code, terminal output, and stdout."""

    def on_terminal(
        *arguments: str, streams: tuple[str, ...], variables: dict[str, str] | None = None
    ) -> tuple[int, str, str]:
        ours, theirs = pty.openpty()
        process = start(*arguments, variables=variables, **dict.fromkeys(streams, theirs))
        os.close(theirs)
        shown = b""
        with open(ours, "rb", buffering=0) as terminal, contextlib.suppress(OSError):  # noqa: PTH123 - a descriptor
            while piece := terminal.read(4096):  # an OSError: the other side is closed
                shown += piece
        stdout, _ = process.communicate(timeout=20)
        return process.returncode, shown.decode(), stdout or ""

    return on_terminal


def test_spinner(on_terminal: OnTerminal, server: str) -> None:
    """A spinner with the elapsed time runs on stderr and is erased at the end; stdout is clean."""
    asked = ["find", "2jmj7l", "--server", server]
    code, shown, stdout = on_terminal(*asked, streams=("stderr",))

    assert (0, f"0\t0\t\t{EMPTY_HASH}\n") == (code, stdout)
    assert len(set(SPINNER.findall(shown))) > 2  # different frames
    assert shown.rstrip().endswith("\x1b[2K")
    assert shown.rindex(SHOW_CURSOR) > shown.rindex(HIDE_CURSOR)


def test_estimate_first(on_terminal: OnTerminal, server: str) -> None:
    """A terminal gets an estimate first; without the Estimate RPC the client computes it."""
    _, shown, _ = on_terminal("find", "2jmj7l", "--server", server, streams=("stderr",))

    lines = re.findall(r"1 in [\d.]+ M; half of such searches end within [^\r]*", shown)
    assert 1 == len(lines)
    assert "here" not in lines[0]


def test_progress(on_terminal: OnTerminal, server: str) -> None:
    """With --progress the line shows the server's reports."""
    asked = ["find", "2jmj7l", "--progress", "--server", server]
    _, shown, _ = on_terminal(*asked, streams=("stderr",))

    assert re.search(r"s  2\.5 M/s  123\.5 k hashes  at 123456  chance 0\.0603 %", shown)


@pytest.mark.parametrize(("no_color", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_result(
    on_terminal: OnTerminal,
    server: str,
    no_color: dict[str, str],
    *,
    is_coloured: bool,
) -> None:
    """A terminal gets the result as a block, coloured unless NO_COLOR is set."""
    asked = ["find", "2jmj7l", "--server", server]
    code, shown, _ = on_terminal(*asked, streams=("stdout", "stderr"), variables=no_color)

    assert 0 == code
    assert is_coloured == bool(COLOUR.search(shown))
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert f"hash     {EMPTY_HASH}\r\n" in plain
    assert "secret   (empty)\r\nhex      (empty)\r\ndistance 0\r\nposition 0\r\n" in plain
    assert SPINNER.search(plain)


def test_dumb_terminal(on_terminal: OnTerminal, server: str) -> None:
    """TERM=dumb gets neither animation nor escape sequences."""
    asked = ["find", "2jmj7l", "--progress", "--server", server]
    code, shown, _ = on_terminal(*asked, streams=("stdout", "stderr"), variables={"TERM": "dumb"})

    assert 0 == code
    assert "\x1b" not in shown
    assert "123.5 k hashes" in shown
    assert f"hash     {EMPTY_HASH}\r\n" in shown
