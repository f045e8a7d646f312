"""The client's verification of every result: only valid matches are delivered."""

from base64 import b64decode

from hashfinder_client.errors import VerificationError
from hashfinder_client.query import Query
from hashfinder_proto import hash_name_pb2
from hashfinder_proto.hash_name_pb2 import HashNameResponse
from hashfinder_rules.candidate import Candidate


def check(query: Query, claim: HashNameResponse | hash_name_pb2.Candidate) -> Candidate:
    """Return what the server claims of one secret, computed anew.

    A response without a position, as of a server that knows only the classic fields, gets it here.

    Raises:
        VerificationError: the claim differs from the truth.
    """
    longest = query.scheme.longest_name
    if len(query.name) > longest:
        message = f"no hash has more than {longest} characters, and the name has {len(query.name)}"
        raise VerificationError(message)
    try:
        secret = b64decode(claim.secret, validate=True)
    except ValueError as error:
        message = f"the secret {claim.secret!r:.100} is not base64"
        raise VerificationError(message) from error
    try:
        truth = Candidate.of(secret, query.rules)
    except ValueError as error:
        message = f"the secret {claim.secret!r:.100} is not one that was asked for: {error}"
        raise VerificationError(message) from error
    _expect("hash", truth.hashed_name, claim.hashed_name)
    _expect("distance", truth.distance, claim.hamming_distance)
    if isinstance(claim, hash_name_pb2.Candidate) or claim.HasField("position"):
        _expect("position", truth.position, claim.position)
    return truth


class Verifier:
    """Checks the results of one search: each by itself, and that they answer what was asked."""

    def __init__(self, query: Query) -> None:
        """Take the search that the results belong to."""
        self._query = query
        self._first = query.first_position

    def result(self, response: HashNameResponse) -> Candidate:
        """Return the checked result of `response`.

        Raises:
            VerificationError: it is not true, not close enough, outside the range or out of order.
        """
        result = check(self._query, response)
        if result.distance > self._query.result_distance:
            message = f"its distance, {result.distance}, is more than was asked for"
            raise VerificationError(message)
        # A server of the classic contract knows no positions, and so no range and no order.
        if response.HasField("position"):
            self._check_range(result.position)
        return result

    def candidate(self, candidate: hash_name_pb2.Candidate) -> Candidate:
        """Return the checked `candidate`, which may be at any distance.

        Raises:
            VerificationError: it is not true.
        """
        return check(self._query, candidate)

    def _check_range(self, position: int) -> None:
        if position < self._first:
            message = f"its position, {position}, is before {self._first}, where it may be"
            raise VerificationError(message)
        if position >= self._query.limit:
            message = f"its position, {position}, is not below {self._query.limit}, as it must be"
            raise VerificationError(message)
        self._first = position + 1


def _expect(what: str, expected: object, actual: object) -> None:
    if expected != actual:
        message = f"its {what} is {expected!r}, the server says {actual!r:.100}"
        raise VerificationError(message)
