"""How a search ended: one value for the status, the metric, the log and the trace."""

from dataclasses import dataclass

from hashfinder.domain.errors import AbandonedError


@dataclass(slots=True)
class Outcome:
    """Why a search was stopped, or never began, and what it took. The first reason is kept."""

    reason: Exception | None = None
    """None if it found, if it still runs, or if nothing but its client's leaving ended it."""
    hashes: int | None = None
    """How many positions were searched; None if it never began."""
    queue_seconds: float | None = None
    """How long it waited for its slot; None if it never got one."""

    def record(self, reason: Exception | None) -> None:
        """Keep `reason` if it is the first one.

        `AbandonedError` is not a reason: no one waits for the answer any more. Whether the client
        cancelled, its deadline passed or its connection broke is found out afterwards.
        """
        if self.reason is None and not isinstance(reason, AbandonedError):
            self.reason = reason
