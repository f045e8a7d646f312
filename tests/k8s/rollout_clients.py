"""Clients of every kind that search during a rollout, with everything that they received."""

import json
import signal
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_client import (
    AsyncFinder,
    BudgetSpentError,
    Finder,
    FinderError,
    Match,
    Progress,
    Query,
    SearchEvent,
)
from tests.k8s.job_controller import image_environment

ENDLESS = Query("abcdefghijklmnop", inferior_distance=10)
"""No ideal result, and an inferior one now and then."""
SHORT = Query(ENDLESS.name, inferior_distance=10, maximum_hashes=20_000_000)
RANGE_SIZE = 50_000_000
"""The hashes of a short search: some seconds, so that RPCs start all the time."""
_STOP_SECONDS = 30.0


class Client(ABC):
    """One client. Its failures are sentences; there should be none."""

    def __init__(self, target: str) -> None:
        """Store the target."""
        self.target = target
        self.failures: list[str] = []

    def __str__(self) -> str:
        """Return the name of the client."""
        return f"{type(self).__name__} of {self.target}"

    @property
    @abstractmethod
    def has_begun(self) -> bool:
        """Whether a server has answered."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the client."""

    @abstractmethod
    def check(self, reference: Sequence[int]) -> None:
        """Compare the results with the positions of an undisturbed search."""

    def _compare(self, got: Sequence[int], reached: int, reference: Sequence[int]) -> None:
        """Record results that repeat, are out of order or are missing below the position."""
        missed = [each for each in reference if each < reached][len(got) :]
        if missed:
            self.failures.append(f"nothing at {missed[:3]}, below {reached}")
        if list(got) != list(reference[: len(got)]):
            self.failures.append(f"found {got}, not {reference[: len(got)]}")

    @property
    def progress(self) -> int | None:
        """How far it has come; None if it reports that only at its end."""
        return None

    @property
    @abstractmethod
    def reached(self) -> int:
        """Everything below this position is searched, according to the client."""


class CommandLine(Client):
    """`hashfinder find`: one search that runs until it is stopped."""

    def __init__(self, target: str, folder: Path, *options: str) -> None:
        """Start the process."""
        super().__init__(target)
        self._options = options
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        program = str(Path(sys.executable).with_name("hashfinder"))
        distance = f"--show-inferior={ENDLESS.inferior_distance}"
        command = [program, "find", ENDLESS.name, distance, "--json", "--server", target, *options]
        with self._stdout.open("w") as stdout, self._stderr.open("w") as stderr:
            self._process = subprocess.Popen(
                command, stdout=stdout, stderr=stderr, env=image_environment()
            )

    def __str__(self) -> str:
        """Return the name of the client."""
        return f"find {' '.join(self._options)} of {self.target}"

    @property
    def has_begun(self) -> bool:
        """Whether there is a result."""
        return self._stdout.stat().st_size > 0

    @property
    def reached(self) -> int:
        """The position that it says to resume from."""
        end = self._lines()[-1]
        return int(str(end["next_position"] or 0))

    def stop(self) -> None:
        """Cancel it with SIGINT; it must still have been running."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        if self._process.wait(_STOP_SECONDS) != ExitCode.INTERRUPTED:
            code, said = self._process.returncode, self._stderr.read_text()
            self.failures.append(f"it ended with {code}: {said}")

    def check(self, reference: Sequence[int]) -> None:
        """Compare the results that it wrote."""
        got = [int(str(each["position"])) for each in self._lines() if each["type"] == "result"]
        self._compare(got, self.reached, reference)

    def _lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self._stdout.read_text().splitlines()]


class _LibraryClient(Client):
    """A client that uses the library, for one long search or many short ones."""

    def __init__(self, target: str) -> None:
        """Start without a search."""
        super().__init__(target)
        self.events: list[SearchEvent] = []
        self.searches: list[list[int]] = []
        self.work: Future[None] = Future()
        self._asked_to_stop = threading.Event()

    @property
    def has_begun(self) -> bool:
        """Whether a report has arrived, or a search has ended."""
        return bool(self.events or self.searches) or self.work.done()

    @property
    def progress(self) -> int | None:
        """The position of the long search, or the number of the short ones."""
        return self.reached + len(self.searches)

    @property
    def reached(self) -> int:
        """The next position in the long search's last report."""
        reports = [each.next_position for each in self.events if isinstance(each, Progress)]
        return max((each for each in reports if each is not None), default=0)

    def stop(self) -> None:
        """Leave the search at its next report; it must still have been running."""
        self._asked_to_stop.set()
        try:
            self.work.result(_STOP_SECONDS)
        except (FinderError, TimeoutError) as error:
            self.failures.append(f"{type(error).__name__}: {error}")

    def check(self, reference: Sequence[int]) -> None:
        """Compare the long search, or each of the short ones."""
        self._compare(_positions(self.events), self.reached, reference)
        for search in self.searches:
            self._compare(search, SHORT.limit, [each for each in reference if each < SHORT.limit])


class LongFinder(_LibraryClient):
    """One search of `Finder`, with two ranges at once."""

    def run(self) -> None:
        """Search until stopped."""
        with Finder(self.target) as finder, finder.find_range(ENDLESS, shards=2) as events:
            for each in events:
                self.events.append(each)
                if self._asked_to_stop.is_set():
                    return


class BusyFinder(_LibraryClient):
    """Short searches of `Finder` one after another, over the same channel."""

    def run(self) -> None:
        """Search until stopped."""
        with Finder(self.target) as finder:
            while not self._asked_to_stop.is_set():
                got: list[SearchEvent] = []
                with suppress(BudgetSpentError), finder.find_range(SHORT) as events:
                    for each in events:
                        got.append(each)  # noqa: PERF402  # it ends with an error
                self.searches.append(_positions(got))


class LongAsyncFinder(_LibraryClient):
    """One search of `AsyncFinder`."""

    async def run(self) -> None:
        """Search until stopped."""
        async with AsyncFinder(self.target) as finder, finder.find_range(ENDLESS) as events:
            async for each in events:
                self.events.append(each)
                if self._asked_to_stop.is_set():
                    return


class BusyAsyncFinder(_LibraryClient):
    """Short searches of `AsyncFinder` one after another, over the same channel."""

    async def run(self) -> None:
        """Search until stopped."""
        async with AsyncFinder(self.target) as finder:
            while not self._asked_to_stop.is_set():
                got: list[SearchEvent] = []
                with suppress(BudgetSpentError):
                    async with finder.find_range(SHORT) as events:
                        async for each in events:
                            got.append(each)  # noqa: PERF401  # it ends with an error
                self.searches.append(_positions(got))


def _positions(events: Iterable[SearchEvent]) -> list[int]:
    return [each.position for each in events if isinstance(each, Match)]
