"""A secret with its score."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Self

from hashfinder_rules.query import Query
from hashfinder_rules.score import match


@dataclass(frozen=True, slots=True)
class Candidate:
    """A secret, its position in the query's keyspace, and its score."""

    position: int
    secret: bytes
    hashed_name: str
    """The text of the hash of the whole message."""
    distance: int
    """The smallest distance between the query's name and a part of `hashed_name`."""
    offset: int
    """Where in `hashed_name` the first such part begins."""

    @property
    def secret_text(self) -> str:
        """The secret in base64, as the contract writes it."""
        return b64encode(self.secret).decode()

    @classmethod
    def at(cls, position: int, query: Query) -> Self:
        """Return the candidate at `position`, scored from scratch with `hashlib`.

        Raises:
            ValueError: the position is outside the keyspace.
        """
        secret = query.keyspace.secret_at(position)
        text = query.scheme.hash_text(query.message(secret))
        distance, offset = match(query.name, text, query.scheme)
        return cls(position, secret, text, distance, offset)

    @classmethod
    def of(cls, secret: bytes, query: Query) -> Self:
        """Return the candidate whose secret is `secret`, scored likewise.

        Raises:
            ValueError: the secret is not in the keyspace.
        """
        return cls.at(query.keyspace.position_of(secret), query)
