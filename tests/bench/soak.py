"""`make soak MINUTES=n`: random stops of every kind, then checks: no leaks, consistent counters.

Exit codes: 0; 1 where something leaked or is inconsistent.
"""

import argparse
import random
import sys
import threading

from hashfinder.kernel import load_kernel
from hashfinder.runtime.cores import usable_cores
from tests.bench.invariants import WARM_UP_SECONDS, SearchCounts, leaks, settled
from tests.bench.machine import bare_rate
from tests.bench.soak_mix import Mix
from tests.integration.server_process import run_server

ACTORS = 8
QUOTA_SECONDS = 0.5
"""How long a single search takes to use up its client's burst."""


def main() -> int:
    """Run the soak, then check resources and counters."""
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
        warm = settled(server, None)
        print(f"warm:  {warm}", flush=True)
        _run(mix, 60 * arguments.minutes)
        after = settled(server, warm)
        print(f"after: {after}")
        counts = SearchCounts.between(before, server.samples())
        violations = [*leaks(server, warm, after), *counts.violations(), *_compare(mix, counts)]
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


def _compare(mix: Mix, counts: SearchCounts) -> list[str]:
    """Compare the server's counters with what its clients did and received.

    A client that cancels, dies, or gives up at its deadline cannot know whether the server had
    already ended its call for another reason: those calls are the tolerance of all other bounds.
    """
    reported, codes, causes = mix.reported, counts.codes, counts.causes
    print(f"done: {dict(mix.done)}\nreported: {dict(reported)}\n{counts}")
    sent = sum(reported.values())
    unknown = reported["CANCELLED"] + reported["KILLED"] + reported["DEADLINE_EXCEEDED"]
    refused = reported["INVALID_REQUEST"] + reported["UNDECODABLE_REQUEST"]
    quota = reported["CLIENT_QUOTA_EXHAUSTED"] + reported["TOO_MANY_SEARCHES"]

    def reported_or_missed(calls: int) -> tuple[int, int]:
        return calls, calls + unknown

    bounds = {  # what is counted, and the least and the most that the clients know of
        "calls that began": (counts.started, sent - unknown, sent),
        "OK": (codes["OK"], *reported_or_missed(reported["OK"])),
        "InvalidArgument": (codes["InvalidArgument"], refused, refused),
        "client_cancel": (causes["client_cancel"], 0, reported["CANCELLED"]),
        "deadline": (causes["deadline"], 0, reported["DEADLINE_EXCEEDED"]),
        "disconnect": (causes["disconnect"], 0, reported["KILLED"]),
        "budget": (causes["budget"], *reported_or_missed(reported["HASH_BUDGET_EXHAUSTED"])),
        "quota": (causes["quota"], *reported_or_missed(quota)),
        "overload": (causes["overload"], *reported_or_missed(reported["SERVER_OVERLOADED"])),
        "shutdown": (causes["shutdown"], 0, 0),
    }
    known_codes = {"OK", "InvalidArgument", "Canceled", "DeadlineExceeded", "ResourceExhausted"}
    return [
        f"{what}: {counted}, but clients know of {least} to {most}"
        for what, (counted, least, most) in bounds.items()
        if not least <= counted <= most
    ] + [f"{codes[code]} ended with {code}" for code in codes.keys() - known_codes]


if __name__ == "__main__":
    sys.exit(main())
