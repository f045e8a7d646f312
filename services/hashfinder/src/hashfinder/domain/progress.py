"""How far a search has come."""

from typing import NamedTuple, Self

from hashfinder_rules.candidate import Candidate
from hashfinder_rules.keyspace import POSITIONS_END


class Progress(NamedTuple):
    """A snapshot of a search."""

    hashes: int
    """The number of positions searched, all from the first without a gap."""
    next_position: int
    """The first position not yet searched; `end` after the last one."""
    seconds: float
    """The time since the search began, its waiting included."""
    best: Candidate | None
    """The first candidate of the smallest distance so far; None before the first position."""
    end: int = POSITIONS_END
    """One past the last position of the keyspace."""

    def up_to(self, position: int, best: Candidate) -> Self:
        """Return how far it had come with `position`, an earlier one, when `best` was the best."""
        later = self.next_position - (position + 1)
        return self._replace(hashes=self.hashes - later, next_position=position + 1, best=best)
