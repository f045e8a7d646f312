"""An independent search, written from the contract's text; it shares no code with the server."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha1
from operator import ne
from string import ascii_lowercase, ascii_uppercase

from hashfinder_proto.hash_name_pb2 import Candidate, HashNameResponse

KEYSPACE_END = 2**64

_FOLD = str.maketrans(ascii_uppercase, ascii_lowercase)


@dataclass(frozen=True)
class Result:
    """A candidate as a server must report it."""

    position: int
    secret: bytes
    hashed_name: str
    distance: int


@dataclass(frozen=True)
class Answer:
    """Everything that a search must return."""

    results: list[Result]
    """The candidates within the interesting distance, up to the first within the ideal one."""
    found: bool
    """Whether the last result is within the ideal distance."""
    hashes: int
    """How many positions were searched."""
    best: Result | None
    """The first candidate of the smallest distance."""


def secret_at(position: int) -> bytes:
    """Return the byte string at `position`: by length, then in lexicographic order."""
    length = 0
    while position >= 256**length:
        position -= 256**length
        length += 1
    return position.to_bytes(length, "big")


def hashed_name_of(secret: bytes) -> str:
    """Return the base64 text of the SHA-1 of `secret`."""
    return b64encode(sha1(secret, usedforsecurity=False).digest()).decode()


@lru_cache(maxsize=10_000)
def score(position: int, name: str) -> Result:
    """Return the candidate at `position`, compared with `name`."""
    secret = secret_at(position)
    hashed_name = hashed_name_of(secret)
    wanted, text = name.translate(_FOLD), hashed_name.translate(_FOLD)
    parts = (text[i : i + len(name)] for i in range(len(text) - len(name) + 1))
    distance = min(sum(map(ne, wanted, part)) for part in parts)
    return Result(position, secret, hashed_name, distance)


def search(name: str, ideal: int, interesting: int, start: int, budget: int) -> Answer:
    """Return what FindRange must return."""
    results: list[Result] = []
    best: Result | None = None
    stop = min(start + budget, KEYSPACE_END)
    for position in range(start, stop):
        candidate = score(position, name)
        if best is None or candidate.distance < best.distance:
            best = candidate
        if candidate.distance <= max(ideal, interesting):
            results.append(candidate)
        if candidate.distance <= ideal:
            return Answer(results, found=True, hashes=position + 1 - start, best=best)
    return Answer(results, found=False, hashes=stop - start, best=best)


def received(message: HashNameResponse | Candidate) -> Result:
    """Return the candidate in a message of the server."""
    secret = b64decode(message.secret, validate=True)
    return Result(message.position, secret, message.hashed_name, message.hamming_distance)
