"""`make soak MINUTES=n`: all stops at random, then the accounts: nothing has leaked, all adds up.

Exit codes: 0; 1 where something has leaked or does not add up.
"""

import argparse
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hashfinder.kernel import load_kernel
from hashfinder.runtime.cores import usable_cores
from tests.bench.ledger import resident_bytes
from tests.bench.machine import bare_rate
from tests.bench.soak_mix import Mix
from tests.integration.server_process import Samples, ServerProcess, eventually, run_server

SERVICE = "hash_name.HashFinder"
ACTORS = 8
WARM_UP_SECONDS = 10.0
SETTLE_SECONDS = 45.0
"""How long threads and connections of gRPC's own have to go away when nothing happens any more."""
SPARE_THREADS = 4
"""gRPC keeps a few threads more or less at its own discretion."""
SPARE_BYTES = 24 * 2**20
QUOTA_SECONDS = 0.5
"""How long one search alone takes to use up its client's burst."""


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


def main() -> int:
    """Soak, then check the accounts."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))  # noqa: S311
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.minutes:g} minutes")
    with run_server(*_flags()) as server:
        before = server.samples()
        mix = Mix(server, arguments.seed)
        print("warming up: each way to end, then the mix", flush=True)
        for name in mix.ways:
            mix.do(name, random.Random(arguments.seed))  # noqa: S311
        _run(mix, WARM_UP_SECONDS)
        warm = _settled(server, None)
        print(f"warm:  {warm}", flush=True)
        _run(mix, 60 * arguments.minutes)
        after = _settled(server, warm)
        print(f"after: {after}")
        violations = [*_leaks(server, warm, after), *_account(mix, before, server.samples())]
    for violation in violations:
        print(f"VIOLATION: {violation}")
    print("failed" if violations else "Nothing has leaked, and the counters add up.")
    return 1 if violations else 0


def _flags() -> list[str]:
    workers = usable_cores()
    rate = int(bare_rate(load_kernel(), workers, 0.3) * workers)
    flags = {
        "--client-identity": "connection",
        "--maximum-searches": 12,
        "--maximum-searches-per-client": 10,
        "--maximum-waiting": 6,
        "--wait-seconds": 0.4,
        "--client-hash-burst": int(rate * QUOTA_SECONDS),
        "--client-hash-rate": max(1, rate // 500),
    }
    return [str(word) for flag in flags.items() for word in flag]


def _run(mix: Mix, seconds: float) -> None:
    """Run the mix in several threads. A thread that fails ends the soak."""
    failures: list[BaseException] = []

    def act() -> None:
        try:
            mix.run(seconds)
        except BaseException as error:
            failures.append(error)
            raise

    actors = [threading.Thread(target=act) for _ in range(ACTORS)]
    for actor in actors:
        actor.start()
    for actor in actors:
        actor.join()
    if failures:
        raise failures[0]


def _settled(server: ServerProcess, earlier: Resources | None) -> Resources:
    """Return the resources when all is quiet: when they are as earlier, or do not get less."""
    eventually(lambda: _counted(server), "each RPC that began is counted as ended", 30)
    server.wait_until_idle(30)
    pid = server.process.pid
    end = time.monotonic() + (SETTLE_SECONDS if earlier else WARM_UP_SECONDS)
    while time.monotonic() < end:
        now = Resources.of(pid)
        if earlier and now.within(earlier):
            return now
        time.sleep(0.5)
    return Resources.of(pid)


def _counted(server: ServerProcess) -> bool:
    samples = server.samples()
    started, handled = (
        samples.value(f"grpc_server_{name}_total", grpc_service=SERVICE)
        for name in ("started", "handled")
    )
    return started == handled


def _leaks(server: ServerProcess, warm: Resources, after: Resources) -> list[str]:
    violations = [] if after.within(warm) else [f"leaked: {after}, after {warm}"]
    samples = server.samples()
    gauges = ("searches_active", "searches_queued", "searches_parked", "workers_busy")
    left = {gauge: samples.value(f"hashfinder_{gauge}") for gauge in gauges}
    return violations + [f"hashfinder_{name} is {value:g}" for name, value in left.items() if value]


def _account(mix: Mix, before: Samples, after: Samples) -> list[str]:
    """Compare what the server counted with what its clients did and were told.

    A client that cancels, dies, or gives up at its deadline cannot know whether the server had
    already ended its call for another reason: those calls are the slack of all other bounds. What
    the server counted must add up exactly.
    """
    told = mix.told
    codes = _by_label("grpc_server_handled_total", "grpc_code", before, after)
    causes = _by_label("hashfinder_cancellations_total", "cause", before, after)
    started = sum(_by_label("grpc_server_started_total", "grpc_method", before, after).values())
    print(f"done: {dict(mix.done)}\ntold: {dict(told)}")
    print(f"codes: {dict(codes)}\ncauses: {dict(causes)}\nstarted: {started}")
    sent = sum(told.values())
    unknown = told["CANCELLED"] + told["KILLED"] + told["DEADLINE_EXCEEDED"]
    refused = told["INVALID_REQUEST"] + told["UNDECODABLE_REQUEST"]
    quota = told["CLIENT_QUOTA_EXHAUSTED"] + told["TOO_MANY_SEARCHES"]

    def told_or_missed(calls: int) -> tuple[int, int]:
        return calls, calls + unknown

    bounds = {  # what is counted, the least and the most that the clients know of
        "calls that began": (started, sent - unknown, sent),
        "ended by code": (sum(codes.values()), started, started),
        "stopped by cause": (sum(causes.values()), *[started - codes["OK"] - refused] * 2),
        "OK": (codes["OK"], *told_or_missed(told["OK"])),
        "InvalidArgument": (codes["InvalidArgument"], refused, refused),
        "client_cancel": (causes["client_cancel"], 0, told["CANCELLED"]),
        "deadline": (causes["deadline"], 0, told["DEADLINE_EXCEEDED"]),
        "disconnect": (causes["disconnect"], 0, told["KILLED"]),
        "budget": (causes["budget"], *told_or_missed(told["HASH_BUDGET_EXHAUSTED"])),
        "quota": (causes["quota"], *told_or_missed(quota)),
        "overload": (causes["overload"], *told_or_missed(told["SERVER_OVERLOADED"])),
        "shutdown": (causes["shutdown"], 0, 0),
    }
    known_codes = {"OK", "InvalidArgument", "Canceled", "DeadlineExceeded", "ResourceExhausted"}
    return [
        f"{what}: {counted}, but clients know of {least} to {most}"
        for what, (counted, least, most) in bounds.items()
        if not least <= counted <= most
    ] + [f"{codes[code]} ended with {code}" for code in codes.keys() - known_codes]


def _by_label(name: str, label: str, before: Samples, after: Samples) -> Counter[str]:
    counts: Counter[str] = Counter()
    for labels, moved in after.moved(name, before).items():
        named = dict(labels)
        if named.get("grpc_service", SERVICE) == SERVICE:
            counts[named[label]] += int(moved)
    return counts


if __name__ == "__main__":
    sys.exit(main())
