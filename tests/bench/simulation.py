"""Simulate a search over more servers than this machine can run, from measured costs.

One client keeps `width` ranges running over `servers`, as `hashfinder_client` does: each RPC goes
to the next server in turn, and a server divides its time equally among its ranges. The client does
one thing at a time: each RPC and each progress message costs it CPU time, and a server that waits
for it is idle. Servers differ in speed. Connections and failing servers are not simulated.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random


@dataclass(frozen=True)
class Costs:
    """The measured costs, in seconds."""

    rpc: float
    """The client's CPU time for an RPC, from begin to end."""
    message: float
    """The client's CPU time for a progress message."""
    cancel: float
    """The client's CPU time to cancel an RPC and to see its end."""
    stops: Sequence[float]
    """From the end of the search with the match until another search has stopped, over loopback."""


@dataclass(frozen=True)
class Fleet:
    """Servers, and how they are used. Times in seconds."""

    servers: int
    width: int
    """How many ranges run at once."""
    range_seconds: float
    """How long a range takes on a server of average speed that has no other range."""
    ranges: int
    """Of the whole search."""
    speed_deviation: float = 0.05
    """The standard deviation of the servers' speeds; their average is 1."""
    network: float = 0.0005
    """The one-way latency between client and server."""
    progress_interval: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """The results of the simulated search."""

    efficiency: float
    """The part of all servers' time, until the last range ended, that was spent searching."""
    load: float
    """The client's CPU seconds per second. From 1 on it cannot keep up."""
    rpcs: float
    """The RPCs that the client starts, per second."""


@dataclass
class _Server:
    """Divides its time equally among its ranges: all gain `work`, at a rate set by their number.

    A range is done when `work` has grown by one range's work since it arrived.
    """

    speed: float
    work: float = 0.0
    at: float = 0.0
    due: list[float] = field(default_factory=list)
    """The `work` at which each range is done, as a heap."""
    version: int = 0

    def advance(self, now: float) -> None:
        if self.due:
            self.work += (now - self.at) * self.speed / len(self.due)
        self.at = now

    def done_at(self) -> float:
        return self.at + max(0.0, self.due[0] - self.work) * len(self.due) / self.speed


def search(fleet: Fleet, costs: Costs, random: Random) -> Outcome:
    """Simulate a whole search that finds nothing."""
    speeds = [max(0.1, random.gauss(1, fleet.speed_deviation)) for _ in range(fleet.servers)]
    servers = [_Server(speed / fleet.range_seconds) for speed in speeds]
    messages = fleet.width / fleet.progress_interval * costs.message
    rpc = costs.rpc / max(1e-3, 1 - messages)  # it reads progress messages at the same time
    events: list[tuple[float, int, int, int]] = []
    """Time, a number that orders equal times, server, and its version; -1 for an arrival."""
    numbers, turns, begun, client_free, now = count(), count(), 0, 0.0, 0.0

    def begin(at: float) -> None:
        nonlocal begun, client_free
        begun += 1
        client_free = max(at, client_free) + rpc
        arrival = client_free + fleet.network
        heapq.heappush(events, (arrival, next(numbers), next(turns) % fleet.servers, -1))

    for _ in range(min(fleet.width, fleet.ranges)):
        begin(0.0)
    while events:
        at, _, index, version = heapq.heappop(events)
        server = servers[index]
        if version not in {-1, server.version}:
            continue  # the server's ranges have changed since then
        now = at
        server.advance(now)
        if version == -1:
            heapq.heappush(server.due, server.work + 1)
        else:
            heapq.heappop(server.due)
            if begun < fleet.ranges:
                begin(now + fleet.network)
        server.version += 1
        if server.due:
            heapq.heappush(events, (server.done_at(), next(numbers), index, server.version))
    searched = fleet.ranges * fleet.range_seconds / sum(speeds)
    return Outcome(searched / now, messages + fleet.ranges * costs.rpc / now, fleet.ranges / now)


def stop_seconds(
    fleet: Fleet, costs: Costs, random: Random, *, fan_out: int | None = None
) -> float:
    """Return the seconds from the first match until every other range has stopped.

    Args:
        fleet: the servers.
        costs: what was measured.
        random: draws how long each range takes to stop.
        fan_out: how many clients a client above them divides the ranges between: a tree of two
                levels; None for a single client.
    """
    clients = min(fan_out or 1, fleet.servers)
    # The match goes up to the root, which cancels its RPCs to the clients below one by one.
    hop = 0.0 if fan_out is None else fleet.network + costs.cancel
    last = 0.0
    for client in range(clients):
        told = hop * 2 + client * costs.cancel if fan_out else 0.0
        for number in range(1, -(-fleet.width // clients) + 1):
            stop = told + number * costs.cancel + random.choice(costs.stops)
            last = max(last, stop)
    return 2 * fleet.network + last  # the match to its client, the cancels to the servers
