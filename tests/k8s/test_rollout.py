"""A rollout replaces every server while clients of every kind search, and no search fails."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc
import pytest

from hashfinder_client import BudgetSpentError, Finder, Match, Query
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.replicas import NameServer, Replicas
from tests.integration.server_process import ServerProcess, eventually, run_server
from tests.k8s.forwarder import Forwarder
from tests.k8s.rollout_clients import ENDLESS, RANGE_SIZE
from tests.k8s.running_clients import Clients

pytestmark = [pytest.mark.k8s, pytest.mark.timeout(240)]

GRACE = 30.0
"""Longer than all retries of a client that reaches the same server again and again."""
DELAY = 1.0
PRE_STOP = 1.0
READY_SECONDS = 2.0
"""The time between two steps, in which a new pod becomes ready. Old pods keep draining."""


class Cluster:
    """Three servers behind a DNS name, and behind one forwarding address."""

    def __init__(self, replicas: Replicas, forwarder: Forwarder) -> None:
        """Store the servers, and what forwards to them."""
        self.replicas = replicas
        self._forwarder = forwarder
        self._publish()

    @property
    def targets(self) -> tuple[str, str]:
        """The DNS name, and the forwarding address."""
        return self.replicas.target, self._forwarder.address

    def replace(self) -> ServerProcess:
        """Add a server; remove the oldest one from both, and after preStop send it SIGTERM."""
        self.replicas.add()
        leaving = self.replicas.remove()
        self._publish()
        time.sleep(PRE_STOP)
        leaving.send(signal.SIGTERM)
        return leaving

    def _publish(self) -> None:
        self._forwarder.targets = tuple(
            (host, int(each.address.rpartition(":")[2]))
            for host, each in self.replicas.servers.items()
        )


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Run three servers with a long drain."""
    names, forwarder = NameServer(), Forwarder()
    with names.serving(), forwarder.serving(), ExitStack() as servers:

        def start(*flags: str) -> ServerProcess:
            return servers.enter_context(run_server(*flags))

        drain = ("--drain-delay", str(DELAY), "--drain-grace", str(GRACE))
        replicas = Replicas(names, start, ("--workers", "1", *drain))
        yield Cluster(replicas, forwarder)
        for server in replicas.servers.values():
            server.send(signal.SIGINT)
        for server in replicas.servers.values():
            assert 0 == server.wait(DELAY + GRACE + 10)


@contextmanager
def kept_alive(server: ServerProcess) -> Iterator[None]:
    """Run a search on a server until the server ends it, at the end of its grace."""
    request = HashNameRequest(desired_name="nobodyfindsthis")
    with grpc.insecure_channel(server.address) as channel:
        call = HashFinderStub(channel).FindRange(request)
        try:
            yield
        finally:
            call.cancel()


def reference(server: ServerProcess, limit: int) -> list[int]:
    """Return the positions of all results below a limit, from an undisturbed search."""
    query = Query(
        ENDLESS.name, inferior_distance=ENDLESS.inferior_distance, maximum_hashes=max(1, limit)
    )
    found = []
    with (
        suppress(BudgetSpentError),
        Finder(server.address) as finder,
        finder.find_range(query) as events,
    ):
        for each in events:
            if isinstance(each, Match):
                found.append(each.position)  # noqa: PERF401  # the loop ends with an error
    return found


def assert_nobody_waits_for_the_drains(clients: Clients) -> None:
    """While the old servers are kept, which refuse all else, every client searches on elsewhere."""
    waiting = {client: client.progress for client in clients.all}
    ends = time.monotonic() + GRACE * 2 / 3
    while waiting and time.monotonic() < ends:
        time.sleep(0.2)
        waiting = {
            c: was for c, was in waiting.items() if c.progress is not None and c.progress == was
        }
    assert not waiting, f"these did not come further: {', '.join(map(str, waiting))}"


def test_no_search_fails_in_a_rollout(cluster: Cluster, tmp_path: Path) -> None:
    """No result is repeated or missing, whichever target the client uses.

    A long search keeps each old server alive for its whole grace period, in which it refuses every
    other search, over connections that stay open.
    """
    with ExitStack() as holders, Clients(tmp_path) as clients:
        for target in cluster.targets:
            clients.start(target)
        for server in cluster.replicas.servers.values():
            holders.enter_context(kept_alive(server))
        eventually(lambda: all(each.has_begun for each in clients.all), "all search", 60)

        drained = []
        for _ in range(3):
            drained.append((cluster.replace(), time.monotonic()))
            time.sleep(READY_SECONDS)
        assert_nobody_waits_for_the_drains(clients)
        for server, signalled in drained:
            assert 0 == server.wait(DELAY + GRACE + 10)
            assert time.monotonic() - signalled > DELAY + GRACE
        time.sleep(READY_SECONDS)

    limit = max(each.reached for each in clients.all)
    with run_server() as undisturbed:
        expected = reference(undisturbed, limit + 4 * RANGE_SIZE)
    for client in clients.all:
        client.check(expected)
    assert {} == {str(each): each.failures for each in clients.all if each.failures}
