"""What one client may have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of one client."""

    searches: int
    """At once, those that wait included; from 1."""
    hash_rate: int
    """Hashes a second on average; 0 for any number."""
    hash_burst: int
    """Hashes that it may use at once after a rest; from 1."""
    maximum_hashes: int
    """The largest budget of one search; from 1."""
    maximum_seconds: int
    """How long one search may take, waiting for its client included."""
    weight: int = 1
    """Its share of the workers, relative to the other clients; from 1."""


AllowanceOf: TypeAlias = Callable[[str], Allowance]
"""Returns what a client may have now. Called from every thread, often: it must be quick."""
