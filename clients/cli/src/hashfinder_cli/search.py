"""What the user asked for on the command line."""

import math
import shlex
from dataclasses import dataclass

from hashfinder_cli.pursuit import DEFAULT_RETRIES, Pursuit, RetryPolicy
from hashfinder_cli.query import Query

DEFAULT_PROGRESS_INTERVAL = 1.0
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class Search(Query):
    """A search, as the command line gives it. None stands for an option left out."""

    server: str
    """HOST:PORT."""
    show_progress: bool = False
    progress_interval: float | None = None
    """Seconds."""
    timeout: float | None = None
    """Seconds."""
    resume: bool = False
    retries: int | None = None
    as_json: bool = False

    @property
    def streams(self) -> bool:
        """Whether it takes FindRange; Find is enough for a lone result in one RPC."""
        return self.show_progress or self.resume or self.inferior_distance is not None

    def pursuit(self) -> Pursuit:
        """Begin it.

        A stream always carries progress, shown or not: it is what makes the search resumable.
        """
        given = self.progress_interval
        interval = DEFAULT_PROGRESS_INTERVAL if given is None else given
        retries = DEFAULT_RETRIES if self.resume else 0
        return Pursuit(
            self,
            RetryPolicy(
                resume=self.resume, retries=retries if self.retries is None else self.retries
            ),
            timeout=math.inf if self.timeout is None else self.timeout,
            progress_interval=interval if self.streams else None,
        )

    def command(self, start_position: int) -> str:
        """Return the shell command that does the same from `start_position` on."""
        options = {
            "--server": self.server,
            "--ideal-distance": self.ideal_distance or None,
            "--show-inferior": self.inferior_distance,
            "--progress-interval": self.progress_interval,
            "--maximum-hashes": self.maximum_hashes,
            "--timeout": self.timeout,
            "--retry": self.retries,
            "--start-position": start_position,
        }
        flags = {
            "--progress": self.show_progress,
            "--resume": self.resume,
            "--json": self.as_json,
        }
        words = ["hashfinder", "find"]
        words += [flag for flag, is_set in flags.items() if is_set]
        for option, value in options.items():
            words += [] if value is None else [option, str(value)]
        words += ["--", self.name] if self.name.startswith("-") else [self.name]
        return shlex.join(words)
