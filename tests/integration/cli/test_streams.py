"""Broken stdout and stderr: no line is lost without an error, and there is never a traceback."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse, SearchProgress
from tests.integration.scripted import Run, ServeScript, Start, hash_of, valid_response
from tests.integration.server_process import ServerProcess

NAME = "2jmj7l"
"""A name in the hash of position 0."""
LINE = f"0\t0\t\t{hash_of(b'')}\n"


@pytest.fixture
def server(serve_script: ServeScript) -> str:
    """The address of a server that sends a report, and a result after a moment."""

    def script(request: HashNameRequest, _: grpc.ServicerContext) -> Iterator[HashNameResponse]:
        if request.HasField("progress_interval"):
            for number in range(1, 4):
                progress = SearchProgress(hashes_computed=number, next_position=0)
                yield HashNameResponse(progress=progress)
        time.sleep(0.3)
        yield valid_response(NAME, position=0)

    return serve_script(script)


@pytest.fixture
def redirected(run: Run) -> Run:
    """Run `hashfinder` with a shell's redirections and arguments.

    One with closed streams is not forked: what its imports open may take their numbers.
    """

    def redirected(line: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        if "&-" in line:
            return shell(line, *arguments)
        with Path("/dev/full").open("w") as full:
            streams = {"stderr" if word.startswith("2") else "stdout" for word in line.split()}
            done = run(*arguments, **dict.fromkeys(streams, full))
        written = (done.stdout or "", done.stderr or "")
        return subprocess.CompletedProcess(done.args, done.returncode, *written)

    return redirected


def shell(line: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `hashfinder` in a shell, which redirects its streams."""
    program = f'exec "$0" -W error -m hashfinder_cli "$@" {line}'
    return subprocess.run(
        ["/bin/sh", "-c", program, sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=40,
    )


@pytest.mark.parametrize("options", [[], ["--json"], ["--progress"]])
@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_broken_stderr(redirected: Run, server: str, redirection: str, options: list[str]) -> None:
    """Neither the results nor the exit code depend on stderr."""
    done = redirected(redirection, "find", NAME, "--server", server, *options)

    assert (0, "") == (done.returncode, done.stderr)
    if options == ["--json"]:
        types = [json.loads(line)["type"] for line in done.stdout.splitlines()]
        assert ["result", "end"] == types
    else:
        assert LINE == done.stdout


@pytest.mark.parametrize("is_broken", [True, False], ids=["broken", "stalled"])
@pytest.mark.parametrize("blocks", [True, False], ids=["blocks", "does not block"])
def test_stderr_without_a_reader(
    start: Start, server: str, *, is_broken: bool, blocks: bool
) -> None:
    """A stderr whose reader has exited, or does not read a full pipe, delays nothing."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while not is_broken:
        try:
            os.write(writer, bytes(4096))
        except BlockingIOError:
            break
    os.set_blocking(writer, blocks)
    if is_broken:
        os.close(reader)

    process = start("find", NAME, "--progress", "--server", server, stderr=writer)
    os.close(writer)
    stdout, _ = process.communicate(timeout=30)

    if not is_broken:
        os.close(reader)
    assert (0, LINE) == (process.returncode, stdout)


@pytest.mark.parametrize(
    "redirection", ["2>/dev/full", "2>&-", "2>/dev/full >/dev/full", "2>&- >&-"]
)
def test_usage_error_without_stderr(redirected: Run, redirection: str) -> None:
    """A usage error is exit code 2, whether or not the message can be written."""
    assert 2 == redirected(redirection, "find").returncode


COMMANDS = {
    "find": ["find", NAME],
    "json": ["find", NAME, "--json"],
    "progress": ["find", NAME, "--progress"],
    "health": ["health"],
    "help": ["--help"],
    "help of find": ["find", "--help"],
    "version": ["--version"],
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize(
    ("redirection", "reason"),
    [(">&-", "it is closed"), (">/dev/full", "No space left on device")],
)
def test_broken_stdout(
    redirected: Run,
    module_server: ServerProcess,
    server: str,
    arguments: list[str],
    redirection: str,
    reason: str,
) -> None:
    """If stdout cannot be written, the command prints an error and exits 1."""
    asked = server if arguments[0] == "find" else module_server.address
    target = [] if "--help" in arguments or "--version" in arguments else ["--server", asked]

    done = redirected(redirection, *arguments, *target)

    what = "the results" if target and arguments[0] == "find" else "to stdout"
    assert 1 == done.returncode
    assert f"Cannot write {what}: {reason}." == done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["lines", "json"])
def test_slow_reader_of_a_pipe_that_does_not_block(
    start: Start, module_server: ServerProcess, tmp_path: Path, options: list[str]
) -> None:
    """Every line arrives, although the pipe fills again and again, and the exit code is right."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    asked = ["find", "doctorwho12345", "--show-inferior", "14", "--maximum-hashes", "3000"]
    asked += ["--server", module_server.address, *options]
    with (tmp_path / "stderr").open("w") as stderr:
        process = start(*asked, stdout=writer, stderr=stderr)
    os.close(writer)
    lines = 0
    while piece := os.read(reader, 16384):
        lines += piece.count(b"\n")
        time.sleep(0.002)
    os.close(reader)

    assert 3 == process.wait(20)
    assert 3_000 + len(options) == lines


@pytest.mark.parametrize("command", ["--help", "--version"])
def test_broken_pipe_of_help(start: Start, command: str) -> None:
    """Help whose reader has exited ends like any broken pipe."""
    reader, writer = os.pipe()
    os.close(reader)

    process = start(command, stdout=writer)
    os.close(writer)
    _, stderr = process.communicate(timeout=20)

    assert (141, "") == (process.returncode, stderr)
