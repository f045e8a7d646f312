"""What must hold once a server is idle: its resources are back, its counters are consistent."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.bench.recorder import resident_bytes
from tests.integration.samples import Samples
from tests.integration.server_process import SERVICE, ServerProcess

SETTLE_SECONDS = 45.0
"""How long gRPC's own threads and connections may take to go away on an idle server."""
WARM_UP_SECONDS = 10.0
SPARE_THREADS = 4
"""gRPC keeps a few threads more or fewer, as it sees fit."""
SPARE_BYTES = 24 * 2**20
_GAUGES = ("searches_active", "searches_queued", "searches_parked", "workers_busy")


@dataclass(frozen=True)
class Resources:
    """The threads, file descriptors and memory of a process."""

    threads: int
    descriptors: int
    memory: int

    @classmethod
    def of(cls, pid: int) -> "Resources":
        """Return what a process uses now."""
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
    """Return an idle server's resources, once as low as `earlier` or when time is up.

    Raises:
        AssertionError: a search or a worker does not end.
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
    """Return a sentence for each resource that the server did not release."""
    violations = [] if after.within(warm) else [f"leaked: {after}, after {warm}"]
    samples = server.samples()
    left = {gauge: samples.value(f"hashfinder_{gauge}") for gauge in _GAUGES}
    return violations + [f"hashfinder_{name} is {value:g}" for name, value in left.items() if value]


@dataclass(frozen=True)
class SearchCounts:
    """How the server's counters of searches changed between two scrapes."""

    started: int
    codes: Counter[str]
    """The RPCs that ended, by status code."""
    causes: Counter[str]
    """The RPCs that were stopped or refused, by cause."""
    denied: int
    """The RPCs that were refused because of their client's identity."""

    @classmethod
    def between(cls, before: Samples, after: Samples) -> "SearchCounts":
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
        """Return what is inconsistent. A search ends once, with a code and, if stopped, a cause.

        A search that found its match, an invalid request and a denied client have no cause.
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
