"""The first N matches: a search for each, behind the match before. For one match, one search."""

from hashfinder_cli.search import Search
from hashfinder_cli.state.record import InvalidStateError, Record
from hashfinder_client.events import Match, SearchEvent
from hashfinder_client.sharded_search import ShardedSearch


class Succession:
    """The searches that a command line asks for, one after another."""

    def __init__(self, asked: Search, record: Record | None = None) -> None:
        """Begin with the first, or where an earlier process has kept `record`.

        Raises:
            InvalidStateError: the record does not fit the search.
        """
        self.asked = asked
        self.search = asked
        """What is left of what was asked for."""
        self.current: ShardedSearch = asked.begin()
        """The search for the next match."""
        self.found: list[Match] = []
        self.held_back: list[SearchEvent] = []
        """Results that the earlier process had no time to return."""
        self.is_continued = record not in {None, Record()}
        """Whether an earlier process has begun it."""
        if record is not None:
            self._continue(record)

    @property
    def is_complete(self) -> bool:
        """Whether all matches are found."""
        return len(self.found) == self.asked.wanted.count

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing is left behind the last match."""
        return bool(self.found) and self.found[-1].position + 1 >= self.search.query.limit

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to search any more."""
        return self.is_complete or self.is_exhausted

    def _continue(self, record: Record) -> None:
        try:
            for position in record.found:
                self.advance(Match.at(position, self.search.query.rules))
            if not self.is_over:
                self.held_back = self.current.go_on(record.checkpoint)
        except ValueError as error:
            message = f"the state does not fit the search: {error}"
            raise InvalidStateError(message) from error

    def advance(self, match: Match, elapsed: float = 0.0) -> None:
        """Take the match of the current search; begin the next, if any is left.

        `elapsed` seconds of the timeout have passed.
        """
        self.found.append(match)
        if not self.is_over:
            self.search = self.search.behind(match.position)
            self.current = self.search.begin(elapsed)

    def record(self) -> Record:
        """Return how far it has come, once all that it has returned is handled."""
        found = tuple(match.position for match in self.found)
        return Record(found) if self.is_over else Record(found, self.current.checkpoint())
