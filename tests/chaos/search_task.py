"""The searches of the chaos test, and the exact results that each must return."""

import random
import time
from bisect import bisect_left
from dataclasses import dataclass, field, replace

from hashfinder.kernel import Kernel
from hashfinder_client import BudgetSpentError, Match, Progress, Query, StoppedByOperatorError
from hashfinder_client.errors import StoppedError
from hashfinder_client.events import SearchEvent
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme
from tests.oracle import best_match, hash_text


@dataclass(frozen=True)
class Case:
    """A name and a part of the keyspace in which all results are known beforehand."""

    query: Query
    extent: int
    """Results are known below this position."""
    shortest: int
    """The smallest number of positions that a task searches."""


SHA256_START = Scheme(algorithm=Algorithm.SHA256, encoding=Encoding.HEX, anchor=Anchor.START)
CASES = (
    Case(Query("doctor", inferior_distance=1), 120_000_000, 8_000_000),
    Case(Query("chaos0", inferior_distance=1), 120_000_000, 8_000_000),
    Case(Query("cafe00", scheme=SHA256_START, inferior_distance=1), 40_000_000, 4_000_000),
    Case(Query("abcd", ideal_distance=0, inferior_distance=2), 40_000, 4_000),  # dense
)


class SearchTask:
    """One search, over as many processes, finders and RPCs as it needs."""

    def __init__(self, query: Query, expected: list[int]) -> None:
        """Store the query, and the positions of all its results, in order."""
        self.query = query
        self.is_done = False
        self._expected = expected
        self._found: list[int] = []
        self._reached = query.first_position
        self._heard = time.monotonic()

    def __str__(self) -> str:
        query, silent = self.query, time.monotonic() - self._heard
        parts = f"{query.name} from {query.first_position} to {query.limit}"
        return f"{parts}: at {self._reached}, nothing heard for {silent:.1f} s"

    @property
    def remaining(self) -> Query:
        """The part that is not searched yet."""
        left = self.query.limit - self._reached
        return replace(self.query, start_position=self._reached, maximum_hashes=left)

    def take(self, event: SearchEvent) -> None:
        """Record an event of the search."""
        if isinstance(event, Match):
            self.found(event.position, is_ideal=event.distance <= self.query.ideal_distance)
        elif isinstance(event, Progress):
            self.reach(event.next_position)

    def found(self, position: int, *, is_ideal: bool) -> None:
        """Record a result."""
        self._found.append(position)
        self.reach(position + 1)
        self.is_done |= is_ideal

    def reach(self, position: int | None) -> None:
        """Record that everything before `position` is searched and its results are delivered."""
        self._heard = time.monotonic()
        self._reached = max(self._reached, position or 0)
        self.is_done |= self._reached >= self.query.limit

    def stop(self, error: StoppedError) -> None:
        """Record an end without the ideal result; raise it where the client should have resumed."""
        if isinstance(error, BudgetSpentError):
            self.is_done = True
        elif isinstance(error, StoppedByOperatorError):
            self.reach(error.next_position)
        else:
            raise error

    def violation(self) -> str | None:
        """Return what is wrong with the results, None if they are as expected."""
        if self._found == self._expected:
            return None
        skipped = sorted(set(self._expected) - set(self._found))
        foreign = sorted(set(self._found) - set(self._expected))
        return (
            f"{self.query}: {len(self._found)} results, not {len(self._expected)};"
            f" skipped {skipped[:5]}, unexpected {foreign[:5]},"
            f" {len(self._found) - len(set(self._found))} found twice"
        )


@dataclass
class Reference:
    """The results of all cases, computed by the kernel alone: no server, no client, one thread."""

    kernel: Kernel
    _results: dict[Case, tuple[list[int], list[int]]] = field(default_factory=dict)

    def scan(self) -> None:
        """Find the results of all cases, and which of them are ideal."""
        for case in CASES:
            scanner = self.kernel.prepare(case.query.rules)
            results: list[int] = []
            position = 0
            while position < case.extent:  # each ideal result ends a scan
                scan = scanner.scan(position, case.extent, 99, 1_000_000)
                results += scan.results
                position = scan.stop
            ideal = [each for each in results if _distance(case.query, each) == 0]
            self._results[case] = results, ideal

    def draw(self, chance: random.Random) -> SearchTask:
        """Return a random task."""
        case = chance.choice(CASES)
        start = chance.randrange(case.extent - case.shortest)
        stop = chance.randrange(start + case.shortest, case.extent + 1)
        results, ideal = self._results[case]
        first_ideal = next((each for each in ideal if start <= each < stop), stop - 1)
        expected = results[bisect_left(results, start) : bisect_left(results, first_ideal + 1)]
        query = replace(case.query, start_position=start, maximum_hashes=stop - start)
        return SearchTask(query, expected)


def _distance(query: Query, position: int) -> int:
    """Return the distance of the hash at `position` from the name, by the tests' oracle."""
    scheme = query.scheme
    text = hash_text(scheme.algorithm.name, scheme.encoding.name, query.rules.message_at(position))
    anchor = scheme.anchor.name
    return best_match(query.name, text, anchor, "", case_sensitive=scheme.case_sensitive)[0]
