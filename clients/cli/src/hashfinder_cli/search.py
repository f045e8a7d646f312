"""What the user asked to search for."""

import shlex
from dataclasses import dataclass

from hashfinder_proto.hash_name_pb2 import HashNameRequest

DEFAULT_PROGRESS_INTERVAL = 1.0
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search, as the command line gives it. None stands for an option left out."""

    name: str
    server: str
    """HOST:PORT."""
    ideal_distance: int = 0
    inferior_distance: int | None = None
    """Show candidates within this distance as well."""
    show_progress: bool = False
    progress_interval: float | None = None
    """Seconds."""
    start_position: int | None = None
    maximum_hashes: int | None = None
    timeout: float | None = None
    """Seconds."""
    as_json: bool = False

    @property
    def streams(self) -> bool:
        """Whether it takes FindRange; Find is enough for a lone result."""
        return self.show_progress or self.inferior_distance is not None

    @property
    def first_position(self) -> int:
        """The position it starts from."""
        return self.start_position or 0

    @property
    def result_distance(self) -> int:
        """The largest distance of a result."""
        return max(self.ideal_distance, self.inferior_distance or 0)

    def message(self) -> HashNameRequest:
        """Return the request.

        A stream always carries progress, shown or not: it is what makes the search resumable.
        """
        request = HashNameRequest(
            desired_name=self.name,
            ideal_hamming_distance=self.ideal_distance,
            interesting_hamming_distance=self.inferior_distance or 0,
            start_position=self.start_position,
            maximum_hashes=self.maximum_hashes,
        )
        if self.streams:
            request.progress_interval.FromNanoseconds(round(self._interval * 1e9))
        return request

    def command(self, start_position: int) -> str:
        """Return the shell command that does the same from `start_position` on."""
        options = {
            "--server": self.server,
            "--ideal-distance": self.ideal_distance or None,
            "--show-inferior": self.inferior_distance,
            "--progress-interval": self.progress_interval,
            "--maximum-hashes": self.maximum_hashes,
            "--timeout": self.timeout,
            "--start-position": start_position,
        }
        flags = {"--progress": self.show_progress, "--json": self.as_json}
        words = ["hashfinder", "find"]
        words += [flag for flag, is_set in flags.items() if is_set]
        for option, value in options.items():
            words += [] if value is None else [option, str(value)]
        words += ["--", self.name] if self.name.startswith("-") else [self.name]
        return shlex.join(words)

    @property
    def _interval(self) -> float:
        given = self.progress_interval
        return DEFAULT_PROGRESS_INTERVAL if given is None else given
