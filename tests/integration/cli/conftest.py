"""Real servers on loopback, and the real command line as a separate process."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hashfinder_cli.app import app
from hashfinder_cli.signals import STOP_SIGNALS
from tests.integration.program import Program
from tests.integration.scripted import Run, Start

_UNSET = ("HASHFINDER_SERVER", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "GRPC_VERBOSITY")


@pytest.fixture
def ended() -> threading.Event:
    """Set by a script when its RPC has ended."""
    return threading.Event()


@pytest.fixture(scope="session")
def command_program() -> Iterator[Program]:
    """The command line, imported once."""
    with Program("hashfinder_cli", "-W", "error") as program:
        yield program


@pytest.fixture
def start(command_program: Program) -> Iterator[Start]:
    """Start `hashfinder`; keywords as for Popen, and `variables` for the environment.

    `before` is Python that the process runs first.
    """
    processes: list[subprocess.Popen[str]] = []

    def start(
        *arguments: str,
        variables: dict[str, str] | None = None,
        before: str = "",
        **keywords: Any,  # noqa: ANN401 - as for Popen
    ) -> subprocess.Popen[str]:
        kept = {k: v for k, v in os.environ.items() if k not in _UNSET and "proxy" not in k.lower()}
        environment = {**kept, "TERM": "xterm-256color", **(variables or {})}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        how: dict[str, Any] = {**pipes, **keywords, "stdin": subprocess.DEVNULL}
        if how.keys() <= {"stdin", "stdout", "stderr", "cwd"}:
            process = command_program.start(arguments, environment, before=before, **how)
        else:
            assert not before
            command = [*command_program.command, *arguments]
            process = subprocess.Popen(command, env=environment, text=True, encoding="utf-8", **how)
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run `hashfinder` in this process, which saves the seconds of a process's start."""
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        with pytest.raises(SystemExit) as end:
            app(arguments, prog_name="hashfinder")
        assert isinstance(end.value.code, int)
        return subprocess.CompletedProcess(arguments, end.value.code, *capfd.readouterr())

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def run(
    start: Start,
) -> Run:
    """Run `hashfinder` as a process to its end, for at most 30 seconds."""

    def run(*arguments: str, **keywords: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 - likewise
        process = start(*arguments, **keywords)
        stdout, stderr = process.communicate(timeout=30)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    return run
