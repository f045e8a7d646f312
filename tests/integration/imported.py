"""A program that has imported all that it is made of, and forks a process for each request.

Run by `program.py`, with the name of the program's package and the number of a socket.
"""

import gc
import json
import os
import pkgutil
import runpy
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

_REQUEST_BYTES = 2**20
_STREAMS = 3
_LATE = {"hashfinder_cli": ("typer._adapters", "typer.rich_utils", "grpc._channel")}
"""What a program's libraries import only when it runs."""


def import_all(package: str) -> None:
    """Import all modules of a package but the one that runs it.

    Some need an extra, and an old one warns.
    """
    os.environ["GRPC_VERBOSITY"] = "NONE"  # as the programs themselves set it, first of all
    if package != "hashfinder_cli":
        sys.modules["rich"] = None  # type: ignore[assignment]  # likewise
    for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        if not module.name.endswith("__main__"):
            with suppress(ImportError, DeprecationWarning):
                import_module(module.name)
    for name in _LATE.get(package, ()):
        import_module(name)


def fork() -> int:
    """Fork a process whose parent is this one's parent; return its id, and 0 in the new process."""
    reading, writing = os.pipe()
    if between := os.fork():
        os.waitpid(between, 0)
        pid = int(os.read(reading, 32))
    elif pid := os.fork():
        os.write(writing, b"%d" % pid)
        os._exit(0)
    os.close(reading)
    os.close(writing)
    return pid


def serve(package: str, control: socket.socket) -> None:
    """Fork until the other side closes the socket; return in a new process when it has ended."""
    while True:
        data, streams, _, _ = socket.recv_fds(control, _REQUEST_BYTES, _STREAMS)
        if not data:
            return
        pid = fork()
        if not pid:
            break
        for stream in streams:
            os.close(stream)
        control.send(b"%d" % pid)
    control.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    become(package, json.loads(data))


def become(package: str, request: dict[str, Any]) -> None:
    """Be the program with the arguments and the environment of a request, in its folder."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]
    exec(request["before"], {})  # noqa: S102  # a test's own code
    runpy.run_module(package, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _, package, descriptor = sys.argv
    import_all(package)
    gc.collect()
    gc.freeze()  # so that the collector of no new process touches, and so copies, what is shared
    serve(package, socket.socket(fileno=int(descriptor)))
