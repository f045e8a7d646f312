"""What a search reports to the RPC that waits for it."""

from typing import NamedTuple

from hashfinder.domain.progress import Progress


class SearchUpdate(NamedTuple):
    """What is new about a search since the last update."""

    results: list[int]
    """The positions of the new results, in order."""
    progress: Progress
    """How far the search has come: every result before `next_position` has been taken."""
    found: bool
    """Whether the search has ended with the ideal candidate, the last of the results."""
    error: Exception | None
    """Why it ended otherwise; None while it runs."""
