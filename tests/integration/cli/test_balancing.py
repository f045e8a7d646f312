"""Clients of a name with three servers behind it, which come and go."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable

import pytest
from grpc import StatusCode

from hashfinder_client import AsyncFinder, Finder, FinderError, Match, Pause, Query, channel
from tests.integration.replicas import NAME, NameServer, StartReplicas, searches
from tests.integration.scripted import Run
from tests.integration.server_process import eventually

QUERY = Query("docto", inferior_distance=1)
"""A search of 900,000 hashes."""


def search_until(finder: Finder, condition: Callable[[], bool], what: str) -> None:
    """Search repeatedly until a condition holds."""

    def searched() -> bool:
        finder.find("doc")
        return condition()

    eventually(searched, what, 30)


def test_searches_are_spread(replicas: StartReplicas) -> None:
    """Each search goes to the next server, with asyncio as well."""
    three = replicas()
    servers = list(three.servers.values())

    async def search_async() -> None:
        async with AsyncFinder(three.target) as finder:
            while not all(searches(server) > before[server] for server in servers):
                await finder.find("doc")

    with Finder(three.target) as finder:
        search_until(finder, lambda: all(map(searches, servers)), "a search on each server")
        before = {server: searches(server) for server in servers}
        for _ in range(12):
            finder.find("doc")
        shares = [searches(server) - before[server] for server in servers]
    assert 12 == sum(shares)
    assert 2 <= min(shares)
    before = {server: searches(server) for server in servers}
    asyncio.run(asyncio.wait_for(search_async(), 30))


def test_name_changes(replicas: StartReplicas) -> None:
    """When a server disappears, the client resolves the name again, drops it and finds new servers.

    A killed server's address stays in DNS for a while.
    """
    three = replicas()
    with Finder(three.target) as finder:
        finder.find("doc")
        new = three.add()
        for _ in range(2):
            left = three.remove()
            left.send(signal.SIGTERM)
            left.wait()
        search_until(finder, lambda: searches(new) > 0, "a search on the new server")
        killed = next(iter(three.servers.values()))
        killed.send(signal.SIGKILL)
        killed.wait()
        before = searches(new)
        for _ in range(6):
            finder.find("doc")
        assert 6 <= searches(new) - before


def test_server_closes_without_a_status(
    replicas: StartReplicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that hangs, or whose machine is gone, loses its search after a period of silence.

    All times are a tenth of the defaults.
    """
    three = replicas()
    times = {"grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms"}
    options = dict(channel.channel_options(three.target))
    assert [15_000, 10_000, 10_000] == sorted((options[each] for each in times), reverse=True)
    for name in times:
        options[name] = int(options[name]) // 10
    monkeypatch.setattr(channel, "_BALANCING_OPTIONS", tuple(options.items()))
    servers = three.servers.values()
    with (
        Finder(three.target, progress_interval=0.05) as finder,
        finder.find_range("hashfinderhashfinder") as events,
    ):
        next(events)
        for server in servers:
            server.send(signal.SIGSTOP)
        try:
            began = time.monotonic()
            pause = next(item for item in events if isinstance(item, Pause))
            seconds = time.monotonic() - began
        finally:
            for server in servers:
                server.send(signal.SIGKILL)
                server.wait()

    assert StatusCode.UNAVAILABLE is pause.error.status
    assert pause.error.next_position
    assert seconds < 30


def test_rolling_restart(replicas: StartReplicas) -> None:
    """All servers are replaced under load, one after another: no search fails or is wrong.

    As in Kubernetes, a server's address is removed from DNS when its drain begins, so that clients
    may still connect for a while.
    """
    three = replicas("--drain-delay", "0.5", "--drain-grace", "1")
    failures: list[FinderError] = []
    wrong: list[list[int]] = []
    completed: list[int] = []
    stopped = threading.Event()
    with Finder(three.target, progress_interval=0.05) as finder:

        def positions() -> list[int]:
            with finder.find_range(QUERY) as events:
                return [item.position for item in events if isinstance(item, Match)]

        expected = positions()

        def search_on() -> None:
            while not stopped.wait(0.15):
                try:
                    found = positions()
                except FinderError as error:
                    failures.append(error)
                    continue
                completed.append(1)
                if expected != found:
                    wrong.append(found)

        searchers = [threading.Thread(target=search_on) for _ in range(3)]
        for searcher in searchers:
            searcher.start()
        try:
            new = []
            for _ in range(3):
                new.append(three.add())
                old = three.remove()
                old.send(signal.SIGTERM)
                assert 0 == old.wait()
                enough = len(completed) + 10
                eventually(lambda: len(completed) > enough, "more searches", 30)  # noqa: B023 - called at once
            eventually(lambda: all(map(searches, new)), "searches on all new servers", 30)
        finally:
            stopped.set()
            for searcher in searchers:
                searcher.join(30)

    assert [] == failures
    assert [] == wrong
    assert not any(searcher.is_alive() for searcher in searchers)


@pytest.mark.parametrize("addresses", [[], ["127.0.0.1", "127.0.0.2"]], ids=["none", "no server"])
def test_name_that_leads_nowhere(call: Run, names: NameServer, addresses: list[str]) -> None:
    """A name without an address, or without a server behind it, is exit code 5 and reported."""
    names.addresses = addresses
    target = f"dns://127.0.0.1:{names.port}/{NAME}:1"
    done = call("find", "doctor", "--server", target)

    assert (5, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith(f"Cannot connect to {target}: ")


@pytest.mark.parametrize("target", ["localhost", "dns:///localhost", "dns://names/localhost:50051"])
def test_target_that_cannot_be(target: str) -> None:
    """A finder refuses an invalid target at once."""
    with pytest.raises(ValueError, match=r"^must "):
        Finder(target)
    with pytest.raises(ValueError, match=r"^must "):
        AsyncFinder(target)
