"""How a search ended."""

from dataclasses import dataclass

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_client.events import Match


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a search ended."""

    code: ExitCode
    sentence: str
    """Says it to a person; may have several lines."""
    advice: str = ""
    """What the person can do, where there is something."""
    status: str = ""
    """The gRPC status; empty where this side ended it."""
    reason: str = ""
    """The reason of the ErrorInfo; empty without one."""
    next_position: int | None = None
    """Where to resume, where that is known."""
    best: Match | None = None
    retry_after: float | None = None
    """Seconds."""
    request_id: str = ""
    kernel: str = ""
    """The server's kernel; empty where it does not say."""
