"""The files of the servers in chaos: certificates, tokens and the policy, replaced while in use."""

import hashlib
import math
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.certs import Authority
from hashfinder.kernel import load_kernel
from hashfinder_client import Tls
from tests.bench.machine import bare_rate
from tests.integration.replicas import NAME

USERS = ("alice", "bob", "carol", "dave")
TOKEN_SECONDS = 60.0
"""How long the servers accept a token after the next one was handed out. An RPC keeps the token
that it began with, and may take long on a broken network."""


@dataclass
class _Generation:
    """One token of each user, as lines of the servers' file."""

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
        """Add a new token of each user to the servers' file; return a file with one of them."""
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
