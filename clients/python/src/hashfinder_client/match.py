"""A match: a verified result of a search."""

from base64 import b64encode
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Match:
    """A byte string whose hash resembles the name, verified."""

    secret: bytes
    hashed_name: str
    distance: int
    position: int
    offset: int
    """Where in `hashed_name` the part begins that resembles the name; the first such part."""

    def is_better_than(self, other: "Match | None") -> bool:
        """Return whether it is closer than `other`, or as close and of a lower position."""
        return other is None or (self.distance, self.position) < (other.distance, other.position)

    @property
    def secret_text(self) -> str:
        """The secret in base64."""
        return b64encode(self.secret).decode()
