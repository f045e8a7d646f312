"""A network namespace for a test, in which packets can be dropped. Needs root."""

import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from secrets import token_hex

from tests.integration.rough_link import rough_link


@dataclass(frozen=True)
class Network:
    """A namespace with a link to the server's network."""

    namespace: str
    server_address: str
    """The address of this side of the link, outside the namespace."""
    address: str
    """The address of the namespace's side of the link."""

    @property
    def inside(self) -> tuple[str, ...]:
        """The prefix of a command that runs in the namespace."""
        return ("ip", "netns", "exec", self.namespace)

    def drop_all_packets(self) -> None:
        """Drop all packets in both directions from now on, without closing any connection."""
        for chain in ("INPUT", "OUTPUT"):
            self._iptables("-A", chain, "-j", "DROP")

    @contextmanager
    def partition(self, *matching: str) -> Iterator[None]:
        """Drop packets temporarily: all, or those that match these words of iptables."""
        with dropped(*((chain, *matching) for chain in ("INPUT", "OUTPUT")), inside=self.inside):
            yield

    def lose(self, probability: float) -> None:
        """From now on, drop packets of both directions at random with this probability."""
        at_random = ("-m", "statistic", "--mode", "random", "--probability", f"{probability:g}")
        for chain in ("INPUT", "OUTPUT"):
            self._iptables("-A", chain, *at_random, "-j", "DROP")

    def _iptables(self, *words: str) -> None:
        run(*self.inside, "iptables", "--wait", *words)


@contextmanager
def dropped(*rules: tuple[str, ...], inside: tuple[str, ...] = ()) -> Iterator[None]:
    """Drop packets temporarily: a rule is a chain of iptables and the words that packets match.

    `inside` is the prefix of a command that runs in another network namespace.
    """
    with ExitStack() as healing:
        for rule in rules:
            run(*inside, "iptables", "--wait", "-I", *rule, "-j", "DROP")
            healing.callback(run, *inside, "iptables", "--wait", "-D", *rule, "-j", "DROP")
        yield


def run(*command: str) -> None:
    """Run a command; fail with what it says if it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@contextmanager
def open_network(rough: random.Random | None = None) -> Iterator[Network]:
    """Create a namespace and a link to it; remove both afterwards.

    With `rough` the link is a `rough_link` that takes its random numbers from it.
    """
    unique = token_hex(4)
    name, outer, inner = f"hf-{unique}", f"hfo{unique}", f"hfi{unique}"
    subnet = f"198.18.{int(unique[:2], 16)}"  # the range reserved for such tests
    run("ip", "netns", "add", name)
    try:
        with _pair(outer, inner) if rough is None else rough_link(outer, inner, rough):
            run("ip", "link", "set", inner, "netns", name)
            run("ip", "address", "add", f"{subnet}.1/24", "dev", outer)
            run("ip", "link", "set", outer, "up")
            run("ip", "-n", name, "address", "add", f"{subnet}.2/24", "dev", inner)
            run("ip", "-n", name, "link", "set", inner, "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
            yield Network(name, f"{subnet}.1", f"{subnet}.2")
    finally:
        run("ip", "netns", "delete", name)


@contextmanager
def _pair(one: str, other: str) -> Iterator[None]:
    run("ip", "link", "add", one, "type", "veth", "peer", "name", other)
    try:
        yield
    finally:
        run("ip", "link", "delete", one)  # both ends
