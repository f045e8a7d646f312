"""The verification of every result on this side: a match that is handed on is true.

The rules are those of the contract (``hash_name.proto``), written once more with `hashlib` and
`base64` alone: the client shares no code with the server that it checks.
"""

from base64 import b64decode, b64encode
from hashlib import sha1
from string import ascii_lowercase, ascii_uppercase

from hashfinder_client.errors import VerificationError
from hashfinder_client.match import Match
from hashfinder_client.query import Query
from hashfinder_proto.hash_name_pb2 import Candidate, HashNameResponse

HASHED_NAME_LENGTH = 28
_FOLD = str.maketrans(ascii_uppercase, ascii_lowercase)


def fold(text: str) -> str:
    """Return `text` with A-Z, and no other character, in lower case."""
    return text.translate(_FOLD)


def score(name: str, hashed_name: str) -> tuple[int, int]:
    """Return the smallest distance of `name` from a part of `hashed_name`, and where that begins.

    Raises:
        VerificationError: the name is longer than the text.
    """
    name, text = fold(name), fold(hashed_name)
    alignments = range(len(text) - len(name) + 1)
    if not alignments:
        message = f"no hash can resemble a name of {len(name)} characters"
        raise VerificationError(message)
    return min((sum(a != b for a, b in zip(name, text[i:], strict=False)), i) for i in alignments)


def position_of(secret: bytes) -> int:
    """Return the position of `secret` in the keyspace: the shorter ones, then its rank."""
    shorter: int = (256 ** len(secret) - 1) // 255
    return shorter + int.from_bytes(secret)


def check(name: str, claim: HashNameResponse | Candidate) -> Match:
    """Return what the server claims of one byte string, computed anew.

    A response without a position, as of a server that knows only the classic fields, gets it here.

    Raises:
        VerificationError: the claim differs from the truth.
    """
    try:
        secret = b64decode(claim.secret, validate=True)
    except ValueError as error:
        message = f"the secret {claim.secret!r:.100} is not base64"
        raise VerificationError(message) from error
    hashed_name = b64encode(sha1(secret, usedforsecurity=False).digest()).decode()
    _expect("hash", hashed_name, claim.hashed_name)
    distance, offset = score(name, hashed_name)
    _expect("distance", distance, claim.hamming_distance)
    position = position_of(secret)
    if isinstance(claim, Candidate) or claim.HasField("position"):
        _expect("position", position, claim.position)
    return Match(secret, hashed_name, distance, position, offset)


class Verifier:
    """Checks the results of one search: each by itself, and that they answer what was asked."""

    def __init__(self, query: Query) -> None:
        """Take the search that the results belong to."""
        self._query = query
        self._first = query.first_position

    def result(self, response: HashNameResponse) -> Match:
        """Return the checked result of `response`.

        Raises:
            VerificationError: it is not true, not close enough, outside the range or out of order.
        """
        result = check(self._query.name, response)
        if result.distance > self._query.result_distance:
            message = f"its distance, {result.distance}, is more than was asked for"
            raise VerificationError(message)
        # A server of the classic contract knows no positions, and so no range and no order.
        if response.HasField("position"):
            self._check_range(result.position)
        return result

    def candidate(self, candidate: Candidate) -> Match:
        """Return the checked `candidate`, which may be at any distance.

        Raises:
            VerificationError: it is not true.
        """
        return check(self._query.name, candidate)

    def _check_range(self, position: int) -> None:
        if position < self._first:
            message = f"its position, {position}, is before {self._first}, where it may be"
            raise VerificationError(message)
        if position >= self._query.limit:
            maximum = self._query.maximum_hashes
            message = f"its position, {position}, is beyond the {maximum} hashes asked for"
            raise VerificationError(message)
        self._first = position + 1


def _expect(what: str, expected: object, actual: object) -> None:
    if expected != actual:
        message = f"its {what} is {expected!r}, the server says {actual!r:.100}"
        raise VerificationError(message)
