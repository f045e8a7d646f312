"""A network namespace made for a test, in which packets can be dropped. Needs root."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from secrets import token_hex


@dataclass(frozen=True)
class Network:
    """A namespace with one link to the server's side."""

    namespace: str
    server_address: str
    """Of this side of the link, outside the namespace."""
    address: str
    """Of the namespace's side."""
    device: str
    """The namespace's end of the link."""

    @property
    def inside(self) -> tuple[str, ...]:
        """What runs a command in the namespace."""
        return ("ip", "netns", "exec", self.namespace)

    def drop_all_packets(self) -> None:
        """Let nothing through any more, in either direction, and tell nobody."""
        for chain in ("INPUT", "OUTPUT"):
            self._iptables("-A", chain, "-j", "DROP")

    @contextmanager
    def partition(self, *matching: str) -> Iterator[None]:
        """Let nothing through meanwhile, or no packet that matches these words of iptables."""
        with dropped(*((chain, *matching) for chain in ("INPUT", "OUTPUT")), inside=self.inside):
            yield

    def lose(self, probability: float) -> None:
        """Lose so many packets of each direction, at random, from now on."""
        at_random = ("-m", "statistic", "--mode", "random", "--probability", f"{probability:g}")
        for chain in ("INPUT", "OUTPUT"):
            self._iptables("-A", chain, *at_random, "-j", "DROP")

    def disturb(self, *how: str) -> None:
        """Disturb what leaves the namespace as netem does, where the kernel has it.

        Raises:
            AssertionError: it does not.
        """
        _run(*self.inside, "tc", "qdisc", "add", "dev", self.device, "root", "netem", *how)

    def _iptables(self, *words: str) -> None:
        _run(*self.inside, "iptables", "--wait", *words)


@contextmanager
def dropped(*rules: tuple[str, ...], inside: tuple[str, ...] = ()) -> Iterator[None]:
    """Drop packets meanwhile: each rule is a chain of iptables and the words that packets match.

    `inside` is what runs a command in another network namespace than this process's own.
    """
    with ExitStack() as healing:
        for rule in rules:
            _run(*inside, "iptables", "--wait", "-I", *rule, "-j", "DROP")
            healing.callback(_run, *inside, "iptables", "--wait", "-D", *rule, "-j", "DROP")
        yield


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@contextmanager
def open_network() -> Iterator[Network]:
    """Make a namespace and a link to it; both vanish afterwards."""
    unique = token_hex(4)
    name, outer, inner = f"hf-{unique}", f"hfo{unique}", f"hfi{unique}"
    subnet = f"198.18.{int(unique[:2], 16)}"  # of the range that is set aside for such tests
    _run("ip", "netns", "add", name)
    try:
        _run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
        _run("ip", "address", "add", f"{subnet}.1/24", "dev", outer)
        _run("ip", "link", "set", outer, "up")
        _run("ip", "-n", name, "address", "add", f"{subnet}.2/24", "dev", inner)
        _run("ip", "-n", name, "link", "set", inner, "up")
        _run("ip", "-n", name, "link", "set", "lo", "up")
        yield Network(name, f"{subnet}.1", f"{subnet}.2", inner)
    finally:
        _run("ip", "link", "delete", outer)  # both ends
        _run("ip", "netns", "delete", name)
