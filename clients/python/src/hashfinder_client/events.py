"""What happens in a search, other than its end."""

from dataclasses import dataclass
from typing import TypeAlias

from hashfinder_client.errors import StoppedError
from hashfinder_rules.candidate import Candidate

Match = Candidate
"""A result, verified: a byte string whose hash resembles the name."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the search has come, over all of its RPCs."""

    hashes: int
    next_position: int | None
    """Where to resume; None where nothing is left."""
    rate: float
    """Positions per second: of this RPC, as the server measured it; of a search in ranges, of all
    of it since it began."""
    best: Match | None
    chance: float
    """The chance of an ideal result by now, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Pause:
    """An RPC has ended, and another one resumes the search after a delay."""

    error: StoppedError
    """Why it ended."""
    delay: float
    """Seconds."""


def better(one: Match | None, other: Match | None) -> Match | None:
    """Return the closer of two matches; of two as close, that of the lower position."""
    both = filter(None, (one, other))
    return min(both, key=lambda each: (each.distance, each.position), default=None)


SearchEvent: TypeAlias = Match | Progress | Pause
