"""Programs that are imported once, and whose processes are forked.

A server takes 0.6 CPU seconds to start, most of them for imports, and the tests start hundreds of
servers, gateways and commands. A forked process begins where all is imported. Arguments,
environment, folder, streams, signals and exit code are its own, as those of any other process; its
command line in /proc is not. Where a start itself is the matter of a test, it is a real one.
"""

import ctypes
import json
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

_IMPORTED = Path(__file__).with_name("imported.py")
_PR_SET_CHILD_SUBREAPER = 36


class Program:
    """A program of ours, `module`, run by Python with `options`."""

    def __init__(self, module: str, *options: str) -> None:
        """Take what `python` is given before the program's own arguments."""
        self.command = (sys.executable, *options, "-m", module)
        self._importing = (sys.executable, *options, "-P", str(_IMPORTED), module)
        self._control: socket.socket | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Let this process wait for those that are forked: it becomes the parent of orphans."""
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        return self

    def __exit__(self, *_: object) -> None:
        """End the process that has imported all."""
        self._stack.close()

    def start(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        *,
        before: str = "",
        **streams: Any,  # noqa: ANN401  # as for Popen
    ) -> subprocess.Popen[str]:
        """Fork a process; `before` is Python that it runs first, `streams` are Popen's."""
        return _Forked(self, before, [*self.command, *arguments], env, **streams)

    def run(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        *,
        before: str = "",
        seconds: float = 30.0,
        **streams: Any,  # noqa: ANN401  # as for Popen
    ) -> subprocess.CompletedProcess[str]:
        """Fork a process that ends by itself within some seconds; return what it wrote."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        with self.start(arguments, env, before=before, **pipes) as process:
            try:
                written = process.communicate(timeout=seconds)
            finally:
                process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, *written)

    def fork(self, request: Mapping[str, object], streams: Sequence[int]) -> int:
        """Fork a process with these streams; return its id."""
        if self._control is None:
            self._control = self._import()
        socket.send_fds(self._control, [json.dumps(request).encode()], streams)
        return int(self._control.recv(32))

    def _import(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [*self._importing, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._stack.callback(process.wait)
        return self._stack.enter_context(ours)


class _Forked(subprocess.Popen[str]):
    """A process that another has forked for this one, its parent."""

    def __init__(
        self,
        program: Program,
        before: str,
        command: Sequence[str],
        env: Mapping[str, str],
        **streams: Any,  # noqa: ANN401  # as for Popen
    ) -> None:
        self._program, self._before = program, before
        super().__init__(command, env=env, text=True, encoding="utf-8", **streams)

    def _execute_child(self, *given: Any) -> None:  # noqa: ANN401  # those of Popen's own
        command, _, _, _, _, folder, environment, _, _, _, *pipes = given[:16]
        request = {
            "arguments": command[len(self._program.command) :],
            "environment": dict(environment),
            "folder": str(folder or Path.cwd()),
            "before": self._before,
        }
        try:
            streams = [
                own if theirs == -1 else theirs
                for own, theirs in enumerate((pipes[0], pipes[3], pipes[5]))
            ]
            self.pid = self._program.fork(request, streams)
            self._child_created = True
        finally:
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # Popen's own
