"""Two servers with mutual TLS, tokens and a policy, and the files that they reload.

The steady server runs for the whole test, so that its resources can be compared. The restarted one
is killed and drained, and starts again at the same address.
"""

import hashlib
import math
import random
import secrets
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.certs import Authority
from hashfinder.kernel import load_kernel
from hashfinder_client import Tls
from tests.bench.machine import bare_rate
from tests.integration.replicas import NAME, NameServer
from tests.integration.server_process import ServerProcess, start_process

USERS = ("alice", "bob", "carol", "dave")
KEEPALIVE_SECONDS = 2.0
TOKEN_SECONDS = 60.0
"""How long the servers know a token after the next one was handed out. An RPC has the token that
counted when it began, and can be on its way for long over a network that is broken."""
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


@dataclass
class _Generation:
    """Tokens of all users, as the servers know them."""

    lines: str
    since: float = math.inf
    """When the clients got them."""


class Files:
    """Certificates, tokens and the policy, which change while they are in use."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        """Write the first version of each."""
        self.folder = folder
        self._chance = chance
        self._authority = Authority()
        self._rate = int(bare_rate(load_kernel(), 1, 0.3))
        self._generations: list[_Generation] = []
        (folder / "ca.pem").write_bytes(self._authority.pem)
        self.renew_certificates()
        self.renew_policy(is_calm=True)
        self.announce_tokens()
        self.hand_out_tokens()

    @property
    def flags(self) -> list[str]:
        """The flags of a server that reads them."""
        names = {
            "--tls-certificate": "server.pem",
            "--tls-key": "server.key",
            "--tls-client-ca": "ca.pem",
            "--tokens": "tokens",
            "--policy": "policy.toml",
        }
        return [word for flag, name in names.items() for word in (flag, str(self.folder / name))]

    @property
    def tls(self) -> Tls:
        """The TLS settings of a client."""
        at = self.folder
        return Tls(ca=at / "ca.pem", certificate=at / "client.pem", key=at / "client.key")

    def token_file(self, user: str) -> Path:
        """Return the file with a user's token."""
        return self.folder / f"{user}.token"

    def renew_certificates(self) -> None:
        """Replace the certificates of both sides."""
        hosts = ("127.0.0.1", "127.0.0.2", NAME)
        pairs = {"server": self._authority.server(*hosts), "client": self._authority.client("me")}
        for name, pair in pairs.items():
            for path in pair.write(self.folder, "next"):
                path.rename(self.folder / f"{name}{path.suffix}")

    def renew_policy(self, *, is_calm: bool = False) -> None:
        """Give each user another weight and rate; if `is_calm`, no limit on the rate."""
        rate = 0 if is_calm else self._rate
        text = "".join(
            f'[identities."token:{user}"]\nweight = {self._chance.randrange(1, 5)}\n'
            f"hash_rate = {int(rate * self._chance.uniform(0.03, 0.5))}\n"
            f"hash_burst = {self._rate}\n"
            for user in USERS
        )
        self._replace("policy.toml", text)

    def announce_tokens(self) -> Path:
        """Tell the servers new tokens, beside those in use; return a file that has one of them."""
        now = time.monotonic()
        while len(self._generations) > 1 and now > self._generations[1].since + TOKEN_SECONDS:
            self._generations.pop(0)
        tokens = {user: secrets.token_urlsafe(32) for user in USERS}
        hashes = {
            user: hashlib.sha256(token.encode()).hexdigest() for user, token in tokens.items()
        }
        lines = "".join(f"{user} {digest}\n" for user, digest in hashes.items())
        self._generations.append(_Generation(lines))
        self._replace("tokens", "".join(each.lines for each in self._generations))
        for user, token in tokens.items():
            self._replace(f"{user}.announced", token)
        return self.folder / f"{USERS[0]}.announced"

    def hand_out_tokens(self) -> None:
        """Give each client the token that was announced last."""
        for user in USERS:
            (self.folder / f"{user}.announced").rename(self.token_file(user))
        self._generations[-1].since = time.monotonic()

    @contextmanager
    def corrupted(self, name: str) -> Iterator[None]:
        """Corrupt a file temporarily."""
        text = (self.folder / name).read_text()
        self._replace(name, text[: len(text) // 2] + "\n= nonsense")
        yield
        self._replace(name, text)

    def _replace(self, name: str, text: str) -> None:
        path = self.folder / f"{name}.next"
        path.touch(mode=0o600)
        path.write_text(text)
        path.rename(self.folder / name)


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
        """What is wrong, in words; `violate` adds to it."""
        self.steady = Server(self, "127.0.0.1", logs)
        self.restarted = Server(self, "127.0.0.2", folder)
        self.servers = (self.steady, self.restarted)
        names.addresses = [server.host for server in self.servers]
        self.both = f"dns://127.0.0.1:{names.port}/{NAME}:{self.port}"
        """The target that leads to both servers."""

    def violate(self, text: str) -> None:
        """Note, and say, what is wrong. From any thread."""
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
