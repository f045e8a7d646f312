"""A network namespace made for a test, in which every packet can be dropped. Needs root."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex


@dataclass(frozen=True)
class Network:
    """A namespace with one link to the server's side."""

    namespace: str
    server_address: str

    @property
    def inside(self) -> tuple[str, ...]:
        """What runs a command in the namespace."""
        return ("ip", "netns", "exec", self.namespace)

    def drop_all_packets(self) -> None:
        """Let nothing through any more, in either direction, and tell nobody."""
        for chain in ("INPUT", "OUTPUT"):
            _run(*self.inside, "iptables", "-A", chain, "-j", "DROP")


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
        yield Network(name, f"{subnet}.1")
    finally:
        _run("ip", "link", "delete", outer)  # both ends
        _run("ip", "netns", "delete", name)
