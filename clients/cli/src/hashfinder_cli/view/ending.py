"""How a search ended."""

from dataclasses import dataclass

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_client.events import Match


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a search ended."""

    code: ExitCode
    sentence: str
    """The text for a person; may have several lines."""
    advice: str = ""
    """What the person can do; empty if nothing."""
    status: str = ""
    """The gRPC status; empty if the client ended the search."""
    reason: str = ""
    """The reason in the ErrorInfo; empty without one."""
    next_position: int | None = None
    """Where to resume, where that is known."""
    best: Match | None = None
    retry_after: float | None = None
    """Seconds."""
    request_id: str = ""
    kernel: str = ""
    """The server's kernel; empty if it is not reported."""
