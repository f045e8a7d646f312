"""The faults of the chaos test: each is applied, held for some seconds, and reverted."""

import random
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hashfinder_client import Finder, StoppedError, Tls
from hashfinder_client.operators import OperatorError, operators
from hashfinder_proto.hash_name_admin_pb2 import (
    DrainRequest,
    ListSearchesRequest,
    StopSearchRequest,
)
from tests.chaos.world import Server, World
from tests.integration.network import dropped
from tests.integration.server_process import eventually

DRAIN_SECONDS = 30.0
"""The limit of a drain with half a second of grace, in a process that may be paused meanwhile."""
_OPERATOR_SECONDS = 2.0
_KNOWN_SECONDS = 60.0
"""For a server to take its new tokens; it may be paused, partitioned or restarted meanwhile."""

Apply = Callable[[World, random.Random], None]


@dataclass(frozen=True)
class Fault:
    """A kind of fault."""

    apply: Apply
    weight: int = 1
    excludes: str = ""
    """Of the faults with the same word, only one is active at a time."""

    @property
    def name(self) -> str:
        """The name in the report."""
        return self.apply.__name__.replace("_", " ")


def kill(world: World, chance: random.Random) -> None:
    """Kill the restarted server; start another one a little later."""
    world.restarted.process.send(signal.SIGKILL)
    world.restarted.process.wait()
    time.sleep(chance.uniform(0, 1.5))
    world.restarted.restart()


def drain(world: World, chance: random.Random) -> None:
    """Drain the restarted server, by a signal or as an operator; start another one."""
    if chance.random() < 0.5 or not _drained_by_operator(world.restarted):
        world.restarted.process.send(signal.SIGTERM)
    assert 0 == world.restarted.process.wait(DRAIN_SECONDS), "a drain ends with exit code 0"
    world.restarted.restart()


def _drained_by_operator(server: Server) -> bool:
    try:
        with operators(server.admin) as operator:
            operator.ask(lambda: operator.stub.Drain(DrainRequest(), timeout=_OPERATOR_SECONDS))
    except OperatorError:  # it is paused, or has no descriptor left for a connection
        return False
    return True


def pause(world: World, chance: random.Random) -> None:
    """Stop a process for some seconds, sometimes for longer than keepalive waits."""
    process = chance.choice(world.servers).process
    process.send(signal.SIGSTOP)
    time.sleep(chance.uniform(0.2, 5))
    process.send(signal.SIGCONT)


def partition(world: World, chance: random.Random) -> None:
    """Drop all packets from and to one or both servers, without closing any connection."""
    hosts = chance.choice((["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "127.0.0.2"]))
    rules = [
        ("OUTPUT", "--protocol", "tcp", f"--{way}", host, f"--{end}", str(world.port))
        for host in hosts
        for way, end in (("source", "sport"), ("destination", "dport"))
    ]
    with dropped(*rules):
        time.sleep(chance.uniform(0.5, 10))


def rotate_certificates(world: World, chance: random.Random) -> None:
    """Replace the certificates of both sides; sometimes by a broken one first."""
    _corrupt_sometimes(world, chance, "server.pem")
    world.files.renew_certificates()
    time.sleep(1)


def reload_policy(world: World, chance: random.Random) -> None:
    """Change weights and rates at run time; sometimes by an invalid file first."""
    _corrupt_sometimes(world, chance, "policy.toml")
    world.files.renew_policy()
    time.sleep(1)


def _corrupt_sometimes(world: World, chance: random.Random, name: str) -> None:
    if chance.random() < 0.3:
        with world.files.corrupted(name):
            time.sleep(3)


def renew_tokens(world: World, _chance: random.Random) -> None:
    """Give each client a new token, which it sends from its next RPC on, once the servers know it.

    They look at their file every second, but not while they are paused or away.
    """
    announced = world.files.announce_tokens()
    for server in world.servers:
        what = f"{server.target} knows the new tokens"
        eventually(partial(_knows, server, world.files.tls, announced), what, _KNOWN_SECONDS)
    world.files.hand_out_tokens()


def _knows(server: Server, tls: Tls, token_file: Path) -> bool:
    # A server cannot be reached at times, and a certificate may be exchanged for another just now.
    with (
        suppress(StoppedError, ValueError),
        Finder(server.target, tls=tls, token_file=token_file) as finder,
    ):
        finder.estimate("a", timeout=2)
        return True
    time.sleep(0.2)
    return False


def fill_disk(world: World, chance: random.Random) -> None:
    """Fill the file system that the steady server logs to."""
    filler = world.logs / "filler"
    try:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(65_536)):
                pass
        time.sleep(chance.uniform(1, 5))
    finally:
        filler.unlink()


def exhaust_descriptors(world: World, chance: random.Random) -> None:
    """Leave a server without file descriptors, while clients connect."""
    server = chance.choice(world.servers)
    pid, kind = server.pid, resource.RLIMIT_NOFILE
    with suppress(ProcessLookupError):  # it was killed meanwhile
        former = resource.prlimit(pid, kind)
        resource.prlimit(pid, kind, (chance.randrange(8, 24), former[1]))
        with _crowd(server, 30):
            time.sleep(chance.uniform(0.5, 3))
        resource.prlimit(pid, kind, former)


@contextmanager
def _crowd(server: Server, count: int) -> Iterator[None]:
    host, _, port = server.target.rpartition(":")
    with ExitStack() as crowd:
        for _ in range(count):
            each = crowd.enter_context(socket.socket())
            each.settimeout(0)
            each.connect_ex((host, int(port)))
        yield


def step_clock(world: World, chance: random.Random) -> None:
    """Step the servers' wall clock an hour forward or back, and leave it there."""
    world.clock.step(chance.choice((-3600, 0, 3600)))
    time.sleep(0.5)


def stop_as_operator(world: World, chance: random.Random) -> None:
    """Stop one search, or all searches of a client."""
    server = chance.choice(world.servers)
    seconds = _OPERATOR_SECONDS
    with suppress(OperatorError), operators(server.admin) as operator:
        asked = ListSearchesRequest()
        listed = operator.ask(lambda: operator.stub.ListSearches(asked, timeout=seconds)).searches
        if listed:
            chosen = chance.choice(listed)
            stop = StopSearchRequest(search_id=chosen.search_id)
            if chance.random() < 0.3:
                stop = StopSearchRequest(client=chosen.client)
            operator.ask(lambda: operator.stub.StopSearch(stop, timeout=seconds))
    time.sleep(0.5)


FAULTS = (
    Fault(kill, excludes="life"),
    Fault(drain, excludes="life"),
    Fault(pause, 2),
    Fault(partition, 2),
    # While a file is corrupted, no server can be started.
    Fault(rotate_certificates, excludes="life"),
    Fault(reload_policy, excludes="life"),
    Fault(renew_tokens, excludes="tokens"),
    Fault(fill_disk),
    Fault(exhaust_descriptors),
    Fault(step_clock),
    Fault(stop_as_operator, 3),
)


def recovered(world: World) -> None:
    """Return when the servers answer again."""
    for server in world.servers:
        eventually(partial(_answers, server), f"{server.target} answers", 30)


def _answers(server: Server) -> bool:
    try:
        server.process.samples()
    except OSError:
        return False
    return True
