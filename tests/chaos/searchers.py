"""The clients of the chaos test. Each runs one search after another and resumes where it may."""

import asyncio
import faulthandler
import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_client import AsyncFinder, Finder, RetryPolicy, StoppedError
from tests.chaos.search_task import Reference, SearchTask
from tests.chaos.world import World

POLICY = RetryPolicy(retries=30, longest_delay=2.0)
"""More retries than by default, since several faults may follow one another."""
PROGRESS_SECONDS = 0.1
LEAVING = 0.25
"""The share of searches that their client leaves once, or is killed in."""
PATIENCE_SECONDS = 90.0
"""How long a search may take once no fault is active any more."""

_RESUMABLE = {ExitCode.STOPPED, ExitCode.INTERRUPTED}


class Searchers:
    """All clients, each on its own thread."""

    def __init__(self, world: World, reference: Reference, seed: int) -> None:
        """Create the clients; `reference` has the results that each search must return."""
        self.done: Counter[str] = Counter()
        """The completed searches, by the kind of client."""
        self._tasks: dict[str, SearchTask] = {}
        """The current search, by the kind of client."""
        self._world = world
        self._reference = reference
        self._lock = threading.Lock()
        steady, restarted, both = world.steady.target, world.restarted.target, world.both
        kinds: dict[str, Callable[[random.Random], None]] = {
            "Finder, steady server": lambda c: self._find(c, steady, "alice"),
            "Finder, restarted server": lambda c: self._find(c, restarted, "bob"),
            "Finder, both servers": lambda c: self._find(c, both, "carol", shards=2),
            "AsyncFinder, both servers": lambda c: asyncio.run(self._find_async(c, both, "dave")),
            "AsyncFinder, restarted server": lambda c: asyncio.run(
                self._find_async(c, restarted, "alice")
            ),
            "command, steady server": lambda c: self._command(c, steady, "bob"),
            "command, restarted server": lambda c: self._command(c, restarted, "carol"),
            "command, shards over both": lambda c: self._command(c, both, "dave", _SHARDS),
        }
        self._threads = [
            threading.Thread(
                target=self._repeat, args=(kind, search, seed + n), name=kind, daemon=True
            )
            for n, (kind, search) in enumerate(kinds.items())
        ]

    def start(self) -> None:
        """Start all clients."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Wait for the current searches, which must end because no fault is active any more."""
        self._world.is_over.set()
        end = time.monotonic() + PATIENCE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                task = self._tasks[thread.name]
                self._world.violate(f"{thread.name}: a search does not end: {task}")
                faulthandler.dump_traceback()

    def _repeat(self, kind: str, search: Callable[[random.Random], None], seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311  # no secret
        while not self._world.is_over.is_set():
            try:
                search(chance)
            except Exception as error:  # noqa: BLE001  # no client may see an unexpected error
                self._world.violate(f"{kind}: {type(error).__name__}: {error}")
            else:
                self._count(kind)

    def _count(self, kind: str) -> None:
        with self._lock:
            self.done[kind] += 1

    def _draw(self, chance: random.Random) -> SearchTask:
        task = self._tasks[threading.current_thread().name] = self._reference.draw(chance)
        return task

    def _check(self, task: SearchTask) -> None:
        if wrong := task.violation():
            raise AssertionError(wrong)

    def _find(
        self, chance: random.Random, target: str, user: str, shards: int | None = None
    ) -> None:
        task, leave_at = self._draw(chance), _leaving(chance)
        with Finder(target, **self._options(user)) as finder:  # type: ignore[arg-type]
            while not task.is_done:
                try:
                    with finder.find_range(task.remaining, shards=shards) as events:
                        for event in events:
                            task.take(event)
                            if time.monotonic() > leave_at:
                                leave_at = math.inf
                                break
                except StoppedError as error:
                    task.stop(error)
        self._check(task)

    async def _find_async(self, chance: random.Random, target: str, user: str) -> None:
        task, leave_at = self._draw(chance), _leaving(chance)
        async with AsyncFinder(target, **self._options(user)) as finder:  # type: ignore[arg-type]
            while not task.is_done:
                try:
                    async with finder.find_range(task.remaining) as events:
                        async for event in events:
                            task.take(event)
                            if time.monotonic() > leave_at:
                                leave_at = math.inf
                                break
                except StoppedError as error:
                    task.stop(error)
        self._check(task)

    def _options(self, user: str) -> dict[str, object]:
        return {
            "timeout": math.inf,
            "policy": POLICY,
            "progress_interval": PROGRESS_SECONDS,
            "tls": self._world.files.tls,
            "token_file": self._world.files.token_file(user),
        }

    def _command(
        self, chance: random.Random, target: str, user: str, more: tuple[str, ...] = ()
    ) -> None:
        task, leave_at = self._draw(chance), _leaving(chance)
        tls = self._world.files.tls
        security = ("--ca", tls.ca, "--certificate", tls.certificate, "--key", tls.key)
        where = ("--server", target, *security, "--token-file", self._world.files.token_file(user))
        while not task.is_done:
            command = [*_PROGRAM, *_search(task), *map(str, where), *more]
            leave_at = self._run(command, task, chance, leave_at)
        self._check(task)

    def _run(
        self, command: list[str], task: SearchTask, chance: random.Random, leave_at: float
    ) -> float:
        """Run the command line, or end it at `leave_at`; return when to end the next one."""
        log = self._world.folder / f"{threading.current_thread().name}.stderr"
        with (
            log.open("w") as stderr,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, env=_environment(), text=True
            ) as process,
        ):
            assert process.stdout
            for line in process.stdout:
                _read(line, task)
                if time.monotonic() > leave_at:
                    leave_at = math.inf
                    process.send_signal(chance.choice((signal.SIGKILL, signal.SIGINT)))
        code = process.returncode
        if code == ExitCode.BUDGET_SPENT:
            task.is_done = True
        elif code not in {ExitCode.FOUND, *_RESUMABLE, -signal.SIGKILL}:
            message = f"exit code {code}: {log.read_text()[-500:]}"
            raise AssertionError(message)
        return leave_at


_PROGRAM = (sys.executable, "-m", "hashfinder_cli", "find")
_SHARDS = ("--shards", "3", "--range-size", "3000000")


def _leaving(chance: random.Random) -> float:
    """Return when a client leaves its search; most never do."""
    if chance.random() > LEAVING:
        return math.inf
    return time.monotonic() + chance.uniform(0, 3)


def _search(task: SearchTask) -> list[str]:
    query = task.remaining
    scheme = query.scheme
    options = {
        "--algorithm": scheme.algorithm.name.lower(),
        "--encoding": scheme.encoding.name.lower(),
        "--anchor": scheme.anchor.name.lower(),
        "--show-inferior": query.inferior_distance,
        "--start-position": query.first_position,
        "--maximum-hashes": query.maximum_hashes,
        "--progress-interval": PROGRESS_SECONDS,
        "--retry": POLICY.retries,
    }
    return [query.name, "--resume", "--json", *(str(w) for item in options.items() for w in item)]


def _environment() -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("HASHFINDER_")}
    return {**own, "TERM": "dumb"}


def _read(text: str, task: SearchTask) -> None:
    """Record a line of JSON. A line cut off by a kill is ignored."""
    if not text.endswith("\n"):
        return
    line = json.loads(text)
    if line["type"] == "result":
        task.found(line["position"], is_ideal=line["is_ideal"])
    else:
        task.reach(line["next_position"])
