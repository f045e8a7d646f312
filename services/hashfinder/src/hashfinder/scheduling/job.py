"""A search in the scheduler's hands."""

from collections.abc import Callable

from hashfinder.kernel import Scanner
from hashfinder.scheduling.pace import Pace
from hashfinder.search.engine import Search


class Job:
    """A search with its client, scanner and pace; the scheduler alone changes its attributes."""

    def __init__(self, client: str, search: Search, scanner: Scanner) -> None:
        """Begin with the pace unknown, and nobody to notify."""
        self.client = client
        self.search = search
        self.scanner = scanner
        self.notify: Callable[[], object] | None = None
        """None for a closed job, so that the job does not keep its owner in memory."""
        self.notified = False
        """Whether the owner knows that there is something to take."""
        self.queued = False
        self.overdrawn = False
        """Whether its client had no quota left when the newest chunk was paid for."""
        self.stopped_at: float | None = None
        self.pace = Pace()

    @property
    def runnable(self) -> bool:
        """Whether the search may have another chunk now."""
        return self.search.runnable and not self.overdrawn
