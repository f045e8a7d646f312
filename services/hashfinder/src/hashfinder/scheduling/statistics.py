"""What the scheduler reports about itself."""

from dataclasses import dataclass
from typing import Protocol


class SchedulerObserver(Protocol):
    """Takes reports of what the workers do. Called from their threads."""

    def freed(self, seconds: float) -> None:
        """Record that a stopped search left its last worker, `seconds` after its stop."""


@dataclass(frozen=True, slots=True)
class SchedulerStatistics:
    """A snapshot of the scheduler."""

    hashes: int
    """Positions scanned so far, of all searches."""
    active: int
    """Searches under way, the parked ones included."""
    parked: int
    """Searches that wait for their client to read."""
    clients: int
    """Clients with a search under way."""
    workers_busy: int
    """Workers that are scanning a chunk."""
    workers: int
    """Worker threads that have not died."""
    worker_deaths: int
    """Worker threads that have died."""
