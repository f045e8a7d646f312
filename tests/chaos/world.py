"""Two servers with mutual TLS, tokens and a policy, whose clock can be stepped.

The steady server runs for the whole test, so that its resources can be compared. The restarted one
is killed and drained, and starts again at the same address.
"""

import random
import shutil
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.chaos.files import Files
from tests.integration.replicas import NAME, NameServer
from tests.integration.server_process import ServerProcess, start_process

KEEPALIVE_SECONDS = 2.0
_CLOCK = Path(__file__).with_name("clock.c")
_SETTINGS = {
    "--keepalive-seconds": KEEPALIVE_SECONDS,
    "--drain-grace": 0.5,
    "--workers": 1,
    "--maximum-searches": 6,
    "--maximum-searches-per-client": 4,
    "--maximum-waiting": 4,
    "--wait-seconds": 0.5,
    "--maximum-hashes": 15_000_000,
}


class Server:
    """A server at one address, over one or more processes."""

    def __init__(self, world: "World", host: str, logs: Path) -> None:
        """Start the first process; each has its own log in the folder `logs`."""
        self.admin = f"unix:{world.folder}/admin-{host}"
        self.host = host
        self.starts = 0
        self._world = world
        self._logs = logs
        self.process = self._start()
        world.port = int(self.process.address.rpartition(":")[2])

    @property
    def target(self) -> str:
        """The address that a client connects to."""
        return self.process.address

    @property
    def pid(self) -> int:
        """The current process."""
        return self.process.process.pid

    def restart(self) -> None:
        """Start another process after the last one has ended."""
        self.process = self._start()

    def _start(self) -> ServerProcess:
        self.starts += 1
        world = self._world
        log = self._logs / f"{self.host}-{self.starts}.jsonl"
        where = {"--host": self.host, "--port": world.port, "--admin-listen": self.admin}
        settings = [str(word) for flag in {**_SETTINGS, **where}.items() for word in flag]
        process = start_process(*settings, *world.files.flags, env=world.clock.environment, log=log)
        try:
            return ServerProcess(process, log)
        except AssertionError:
            process.kill()
            process.wait()
            raise

    def end(self) -> None:
        """End the current process, by force if necessary."""
        process = self.process.process
        with suppress(subprocess.TimeoutExpired):
            process.terminate()
            process.wait(20)
        process.kill()
        process.wait()


class Clock:
    """The servers' wall clock, which can be stepped. Monotonic clocks are not affected."""

    def __init__(self, folder: Path) -> None:
        """Compile the library that is preloaded into the servers, if there is a compiler."""
        self._path = folder / "clock"
        self.step(0)
        self.environment: dict[str, str] = {}
        """The environment that a server needs; empty where the clock cannot be stepped."""
        library = folder / "clock.so"
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is not None:
            command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_CLOCK)]
            subprocess.run(command, check=True, timeout=60)
            self.environment = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(self._path)}

    def step(self, seconds: int) -> None:
        """Set the clock to so many seconds from the true time."""
        with self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))


class World:
    """The servers, their files and clock, and the violations seen so far."""

    def __init__(self, folder: Path, logs: Path, chance: random.Random, names: NameServer) -> None:
        """Write the files and start the servers; the steady one logs to `logs`."""
        self.folder = folder
        self.logs = logs
        self.port = 0
        self.files = Files(folder, chance)
        self.clock = Clock(folder)
        self.is_over = threading.Event()
        """Set when no new search may begin."""
        self.violations: list[str] = []
        """Sentences; `violate` adds one."""
        self.steady = Server(self, "127.0.0.1", logs)
        self.restarted = Server(self, "127.0.0.2", folder)
        self.servers = (self.steady, self.restarted)
        names.addresses = [server.host for server in self.servers]
        self.both = f"dns://127.0.0.1:{names.port}/{NAME}:{self.port}"
        """The target that leads to both servers."""

    def violate(self, text: str) -> None:
        """Record and print a violation. May be called from any thread."""
        self.violations.append(text)
        print(f"VIOLATION: {text}", flush=True)

    @classmethod
    @contextmanager
    def running(cls, folder: Path, logs: Path, seed: int) -> "Iterator[World]":
        """Create a world; end everything that it started afterwards."""
        names = NameServer()
        with names.serving():
            world = cls(folder, logs, random.Random(seed), names)  # noqa: S311  # no secret
            try:
                yield world
            finally:
                for server in world.servers:
                    server.end()
