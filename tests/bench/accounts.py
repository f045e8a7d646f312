"""What a server has to have back when all is over, and what its counters have to add up to."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.bench.ledger import resident_bytes
from tests.integration.server_process import SERVICE, Samples, ServerProcess

SETTLE_SECONDS = 45.0
"""How long threads and connections of gRPC's own have to go away when nothing happens any more."""
WARM_UP_SECONDS = 10.0
SPARE_THREADS = 4
"""gRPC keeps a few threads more or less at its own discretion."""
SPARE_BYTES = 24 * 2**20
_GAUGES = ("searches_active", "searches_queued", "searches_parked", "workers_busy")


@dataclass(frozen=True)
class Resources:
    """What the server's process holds."""

    threads: int
    descriptors: int
    memory: int

    @classmethod
    def of(cls, pid: int) -> "Resources":
        """Return what a process holds now."""
        return cls(
            len(list(Path(f"/proc/{pid}/task").iterdir())),
            len(list(Path(f"/proc/{pid}/fd").iterdir())),
            resident_bytes(pid),
        )

    def within(self, earlier: "Resources") -> bool:
        """Return whether nothing has leaked since `earlier`."""
        return (
            self.threads <= earlier.threads + SPARE_THREADS
            and self.descriptors <= earlier.descriptors
            and self.memory <= earlier.memory + SPARE_BYTES
        )

    def __str__(self) -> str:
        memory = self.memory / 2**20
        return f"{self.threads} threads, {self.descriptors} descriptors, {memory:.0f} MiB"


def settled(server: ServerProcess, earlier: Resources | None) -> Resources:
    """Return the resources when all is quiet: when they are as earlier, or do not get less.

    Raises:
        AssertionError: a search, or a worker, does not end.
    """
    server.wait_until_idle(30)
    pid = server.process.pid
    end = time.monotonic() + (SETTLE_SECONDS if earlier else WARM_UP_SECONDS)
    while time.monotonic() < end:
        now = Resources.of(pid)
        if earlier and now.within(earlier):
            return now
        time.sleep(0.5)
    return Resources.of(pid)


def leaks(server: ServerProcess, warm: Resources, after: Resources) -> list[str]:
    """Return what the server has not got back, in words."""
    violations = [] if after.within(warm) else [f"leaked: {after}, after {warm}"]
    samples = server.samples()
    left = {gauge: samples.value(f"hashfinder_{gauge}") for gauge in _GAUGES}
    return violations + [f"hashfinder_{name} is {value:g}" for name, value in left.items() if value]


@dataclass(frozen=True)
class Books:
    """What a server has counted of its searches between two scrapes."""

    started: int
    codes: Counter[str]
    """The RPCs that ended, by code."""
    causes: Counter[str]
    """Those of them that were stopped or refused, by cause."""
    denied: int
    """Those of them that were refused for who asked."""

    @classmethod
    def between(cls, before: Samples, after: Samples) -> "Books":
        """Return the difference of two scrapes."""
        started = _by_label("grpc_server_started_total", "grpc_method", before, after)
        denied = _by_label("hashfinder_access_denied_total", "reason", before, after)
        return cls(
            sum(started.values()),
            _by_label("grpc_server_handled_total", "grpc_code", before, after),
            _by_label("hashfinder_cancellations_total", "cause", before, after),
            sum(denied.values()),
        )

    def violations(self) -> list[str]:
        """Return what does not add up: each search ended once, with a code, and with its cause.

        One that found, or was not valid, or came from nobody who may search, has no cause.
        """
        ended = sum(self.codes.values())
        without_cause = self.codes["OK"] + self.codes["InvalidArgument"] + self.denied
        stopped = sum(self.causes.values())
        sums = {
            f"{self.started} searches began, {ended} ended": self.started == ended,
            f"{stopped} have a cause, {self.started - without_cause} have to": (
                stopped == self.started - without_cause
            ),
        }
        return [text for text, holds in sums.items() if not holds]

    def __str__(self) -> str:
        return f"{self.started} searches; codes {dict(self.codes)}; causes {dict(self.causes)}"


def _by_label(name: str, label: str, before: Samples, after: Samples) -> Counter[str]:
    counts: Counter[str] = Counter()
    for labels, moved in after.moved(name, before).items():
        named = dict(labels)
        if named.get("grpc_service", SERVICE) == SERVICE:
            counts[named[label]] += int(moved)
    return counts
