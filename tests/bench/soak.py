"""`make soak MINUTES=n`: all stops at random, then the accounts: nothing has leaked, all adds up.

Exit codes: 0; 1 where something has leaked or does not add up.
"""

import argparse
import random
import sys
import threading

from hashfinder.kernel import load_kernel
from hashfinder.runtime.cores import usable_cores
from tests.bench.accounts import WARM_UP_SECONDS, Books, leaks, settled
from tests.bench.machine import bare_rate
from tests.bench.soak_mix import Mix
from tests.integration.server_process import run_server

ACTORS = 8
QUOTA_SECONDS = 0.5
"""How long one search alone takes to use up its client's burst."""


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
        warm = settled(server, None)
        print(f"warm:  {warm}", flush=True)
        _run(mix, 60 * arguments.minutes)
        after = settled(server, warm)
        print(f"after: {after}")
        books = Books.between(before, server.samples())
        violations = [*leaks(server, warm, after), *books.violations(), *_account(mix, books)]
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


def _account(mix: Mix, books: Books) -> list[str]:
    """Compare what the server counted with what its clients did and were told.

    A client that cancels, dies, or gives up at its deadline cannot know whether the server had
    already ended its call for another reason: those calls are the slack of all other bounds.
    """
    told, codes, causes = mix.told, books.codes, books.causes
    print(f"done: {dict(mix.done)}\ntold: {dict(told)}\n{books}")
    sent = sum(told.values())
    unknown = told["CANCELLED"] + told["KILLED"] + told["DEADLINE_EXCEEDED"]
    refused = told["INVALID_REQUEST"] + told["UNDECODABLE_REQUEST"]
    quota = told["CLIENT_QUOTA_EXHAUSTED"] + told["TOO_MANY_SEARCHES"]

    def told_or_missed(calls: int) -> tuple[int, int]:
        return calls, calls + unknown

    bounds = {  # what is counted, the least and the most that the clients know of
        "calls that began": (books.started, sent - unknown, sent),
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


if __name__ == "__main__":
    sys.exit(main())
