"""A byte string of the keyspace and how close its hash comes to a name."""

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha1
from typing import Self

from hashfinder.domain.keyspace import secret_at
from hashfinder.domain.query import HASHED_NAME_LENGTH, Query


def hash_text(secret: bytes) -> bytes:
    """Return the base64 text of the SHA-1 of `secret`, 28 characters."""
    return b64encode(sha1(secret, usedforsecurity=False).digest())


def distance_between(pattern: bytes, text: bytes) -> int:
    """Return the smallest Hamming distance between `pattern` and an equally long part of `text`.

    `pattern` is folded already (`Query.pattern`); the letters of `text` compare without case.
    """
    folded = text.lower()
    return min(
        sum(map(int.__ne__, pattern, folded[offset:]))
        for offset in range(HASHED_NAME_LENGTH - len(pattern) + 1)
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A byte string with its score."""

    position: int
    secret: bytes
    hashed_name: str
    """The base64 text of the secret's SHA-1."""
    distance: int
    """The smallest Hamming distance between the query's name and a part of `hashed_name`."""

    @classmethod
    def at(cls, position: int, query: Query) -> Self:
        """Return the candidate at `position`, scored from scratch with `hashlib`."""
        secret = secret_at(position)
        text = hash_text(secret)
        return cls(position, secret, text.decode(), distance_between(query.pattern, text))
