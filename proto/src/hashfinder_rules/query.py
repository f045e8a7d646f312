"""What is searched for, in which messages."""

from dataclasses import dataclass, field

from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.scheme import Scheme


@dataclass(frozen=True)
class Query:
    """A name, how close a hash must come to it, and which messages are hashed.

    It may hold values that the contract forbids, to be reported by `violations`; the other methods
    and functions of this package take a valid one.
    """

    name: str
    """The desired name, 1 to `scheme.longest_name` characters."""
    ideal_distance: int = 0
    """A candidate within this distance ends the search. 0 to the length of the name."""
    interesting_distance: int = 0
    """A candidate within this distance is a result as well. 0 to the length of the name."""
    scheme: Scheme = field(default_factory=Scheme)
    keyspace: Keyspace = field(default_factory=Keyspace)
    secret_prefix: bytes = b""
    """What every message begins with."""
    secret_suffix: bytes = b""
    """What every message ends with."""

    @property
    def result_distance(self) -> int:
        """The largest distance of a result."""
        return max(self.ideal_distance, self.interesting_distance)

    def message(self, secret: bytes) -> bytes:
        """Return what is hashed for `secret`."""
        return self.secret_prefix + secret + self.secret_suffix

    def message_at(self, position: int) -> bytes:
        """Return what is hashed for the secret at `position`."""
        return self.message(self.keyspace.secret_at(position))

    def blocks_per_candidate(self, secret_length: int) -> int:
        """Return how many blocks are compressed for each candidate of that length.

        Blocks before the one with the secret's last byte hardly count: many candidates share them.
        """
        algorithm = self.scheme.algorithm
        shared = (len(self.secret_prefix) + max(secret_length - 1, 0)) // algorithm.block_size
        size = len(self.secret_prefix) + secret_length + len(self.secret_suffix)
        return algorithm.blocks(size) - shared

    def blocks_between(self, start: int, stop: int) -> int:
        """Return how many blocks the positions from `start` up to, not including, `stop` cost."""
        blocks = 0
        length = self.keyspace.length_at(start)
        while start < stop:
            end = stop
            if self.keyspace.length is None:
                end = min(stop, self.keyspace.first_position(length + 1))
            blocks += (end - start) * self.blocks_per_candidate(length)
            start, length = end, length + 1
        return blocks
