"""`make chaos MINUTES=n`: random faults under clients that resume, then the checks.

Every search must return each of its results exactly once, whatever happened to its servers and its
network. At the end every slot, thread and descriptor, and the memory, must be free again, and the
counters must be consistent.

The servers and clients run in their own network and mount namespaces, where packets can be dropped
and a small disk can be filled. Where no namespace can be made, these two faults are left out and
reported.

It ends at most `END_SECONDS` after the minutes asked for, typically one minute after. If it has not
ended by then, it reports where each thread is, and fails.

Exit codes: 0; 1 where anything is wrong.
"""

import argparse
import faulthandler
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hashfinder.kernel import load_kernel
from tests.bench.invariants import WARM_UP_SECONDS, SearchCounts, leaks, settled
from tests.chaos.faults import FAULTS, Apply, Fault, fill_disk, partition, recovered, step_clock
from tests.chaos.search_task import Reference
from tests.chaos.searchers import Searchers
from tests.chaos.world import World

INJECTORS = 2
"""Threads that inject faults, which is how many faults are active at once."""
LULL_SECONDS = 2.0
"""The longest pause between two faults of an injector."""
LOG_DISK_BYTES = 8 * 2**20
EXPECTED_FAULTS = ("not reloaded", "accept loop ended")
"""What a server may log as an error: files were corrupted, and descriptors exhausted."""
END_SECONDS = 240.0
"""For the warm-up, the last searches and the checks, in addition to the time of the faults."""
_INSIDE = "--inside"


def main() -> int:
    """Run the command line: enter the namespaces, then start."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))  # noqa: S311
    parser.add_argument(_INSIDE, action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.inside and _can_enter():
        again = [sys.executable, "-m", "tests.chaos", *sys.argv[1:], "--seed", str(arguments.seed)]
        return subprocess.run([*_ENTER, *again, _INSIDE], check=False).returncode
    print(f"seed {arguments.seed}, {arguments.minutes:g} minutes", flush=True)
    with TemporaryDirectory(prefix="chaos-") as folder:
        logs = Path(folder, "logs")
        logs.mkdir()
        if arguments.inside:
            _run("ip", "link", "set", "lo", "up")
            _run("mount", "-t", "tmpfs", "-o", f"size={LOG_DISK_BYTES}", "tmpfs", str(logs))
        try:
            with (
                World.running(Path(folder), logs, arguments.seed) as world,
                _bounded(world, 60 * arguments.minutes + END_SECONDS),
            ):
                _run_chaos(world, arguments.seed, 60 * arguments.minutes, inside=arguments.inside)
        finally:
            if arguments.inside:
                _run("umount", "--lazy", str(logs))
    if world.violations:
        print(f"failed; the same choices: CHAOS_ARGS='--seed {arguments.seed}'")
    else:
        print("All results once, nothing leaked, counters consistent.")
    return 1 if world.violations else 0


_ENTER = ("unshare", "--net", "--mount", "--propagation", "private")


def _can_enter() -> bool:
    try:
        return subprocess.run([*_ENTER, "true"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=20)


@contextmanager
def _bounded(world: World, seconds: float) -> Iterator[None]:
    """End the process and the servers if this takes longer than `seconds`."""

    def give_up() -> None:
        print(f"VIOLATION: not ended within {seconds:g} s. Where each thread is:", flush=True)
        faulthandler.dump_traceback(sys.stdout)
        for server in world.servers:
            server.process.process.kill()
        os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _run_chaos(world: World, seed: int, seconds: float, *, inside: bool) -> None:
    reference = Reference(load_kernel())
    reference.scan()
    before = world.steady.process.samples()
    print("warming up: all clients, no faults", flush=True)
    warming = Searchers(world, reference, seed)
    warming.start()
    time.sleep(WARM_UP_SECONDS)
    warming.finish()
    warm = settled(world.steady.process, None)
    print(f"warm:  {warm}", flush=True)

    world.is_over.clear()
    world.files.renew_policy()
    searchers = Searchers(world, reference, seed + 1000)
    searchers.start()
    faults = _possible(world, inside=inside)
    made = _FaultInjector(world, faults, seed).for_seconds(seconds)
    print("all faults are reverted: waiting for the last searches", flush=True)
    recovered(world)
    world.files.renew_policy(is_calm=True)
    searchers.finish()
    print(f"searches: {dict(searchers.done)}\nfaults: {dict(made)}")
    print(f"the restarted server ran {world.restarted.starts} times")
    if missing := {fault.name for fault in faults} - made.keys():
        print(f"NOT made in this time: {sorted(missing)}")

    after = settled(world.steady.process, warm)
    print(f"after: {after}")
    violations = leaks(world.steady.process, warm, after)
    restarted = world.restarted.process
    restarted.wait_until_idle(30)
    for server, since in ((world.steady, before), (world.restarted, type(before)())):
        counts = SearchCounts.between(since, server.process.samples())
        print(f"{server.target}: {counts}")
        violations += [f"{server.target}: {text}" for text in counts.violations()]
        violations += _logged(server.process.logs())
    for violation in violations:
        world.violate(violation)


def _logged(lines: list[dict[str, object]]) -> list[str]:
    faults = [line for line in lines if line["level"] in {"error", "critical"}]
    return [
        f"logged: {f}" for f in faults if not any(e in str(f["event"]) for e in EXPECTED_FAULTS)
    ]


def _possible(world: World, *, inside: bool) -> list[Fault]:
    left_out: dict[Apply, str] = (
        {} if inside else {partition: "no namespace", fill_disk: "no namespace"}
    )
    if inside and shutil.which("iptables") is None:
        left_out[partition] = "no iptables"
    if not world.clock.environment:
        left_out[step_clock] = "no C compiler"
    for fault in FAULTS:
        if reason := left_out.get(fault.apply):
            print(f"LEFT OUT: {fault.name}: {reason}", flush=True)
    return [fault for fault in FAULTS if fault.apply not in left_out]


class _FaultInjector:
    """Injects faults from several threads."""

    def __init__(self, world: World, faults: list[Fault], seed: int) -> None:
        self._world = world
        self._faults = faults
        self._seed = seed
        self._made: Counter[str] = Counter()
        names = {fault.excludes or fault.name for fault in faults}
        self._locks = {name: threading.Lock() for name in names}

    def for_seconds(self, seconds: float) -> Counter[str]:
        """Inject faults for a while; return how often each was injected, once all are reverted."""
        end = time.monotonic() + seconds
        threads = [
            threading.Thread(target=self._inject, args=(self._seed + n, end))
            for n in range(INJECTORS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self._made

    def _inject(self, seed: int, end: float) -> None:
        chance = random.Random(seed)  # noqa: S311  # no secret
        while time.monotonic() < end:
            [fault] = chance.choices(self._faults, [fault.weight for fault in self._faults])
            lock = self._locks[fault.excludes or fault.name]
            if not lock.acquire(blocking=False):
                continue
            try:
                print(f"{end - time.monotonic():6.1f} s left: {fault.name}", flush=True)
                fault.apply(self._world, chance)
                self._made[fault.name] += 1
            except Exception as error:  # noqa: BLE001  # the other faults continue
                self._world.violate(f"{fault.name}: {type(error).__name__}: {error}")
            finally:
                lock.release()
            time.sleep(chance.uniform(0, LULL_SECONDS))


if __name__ == "__main__":
    sys.exit(main())
