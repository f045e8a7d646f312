"""What to search for, and where: the request without anything about how to get it answered."""

from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_rules import query as rules
from hashfinder_rules.chance import Chance
from hashfinder_rules.keyspace import ALL_BYTES, Keyspace
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme


@dataclass(frozen=True, kw_only=True)
class Query:
    """A name, how near to it a hash must come, and a range. None stands for what is left out."""

    name: str = field(kw_only=False)
    ideal_distance: int = 0
    """The search ends with the first hash that differs in at most so many characters."""
    inferior_distance: int | None = None
    """Hashes that differ in at most so many characters are results as well."""
    start_position: int | None = None
    maximum_hashes: int | None = None
    """The budget, over all RPCs that the search takes; None for no bound on this side."""
    scheme: Scheme = field(default_factory=Scheme)
    """Hash, encoding, anchor, case and wildcard; by default the classic one."""
    keyspace: Keyspace = field(default_factory=Keyspace)
    """The secrets and their order; by default all byte strings."""
    secret_prefix: bytes = b""
    """What is hashed before each secret."""
    secret_suffix: bytes = b""
    """What is hashed after each secret."""

    @cached_property
    def rules(self) -> rules.Query:
        """What the contract says about results: the query without its range."""
        return rules.Query(
            self.name,
            self.ideal_distance,
            self.inferior_distance or 0,
            self.scheme,
            self.keyspace,
            self.secret_prefix,
            self.secret_suffix,
        )

    @property
    def is_classic(self) -> bool:
        """Whether every server of the contract, however old, searches for exactly this."""
        here = (self.scheme, self.keyspace, self.secret_prefix, self.secret_suffix)
        return here == (Scheme(), Keyspace(), b"", b"")

    @property
    def first_position(self) -> int:
        """The position it starts from."""
        return self.start_position or 0

    @property
    def limit(self) -> int:
        """The first position beyond its range."""
        if self.maximum_hashes is None:
            return self.keyspace.end
        return min(self.first_position + self.maximum_hashes, self.keyspace.end)

    @property
    def result_distance(self) -> int:
        """The largest distance of a result."""
        return self.rules.result_distance

    @cached_property
    def chance(self) -> Chance:
        """The chance that one candidate is ideal; none for a name longer than every text."""
        length = len(self.name)
        if not 1 <= length <= self.scheme.longest_name:
            return Chance(0.0, 0.0, self.keyspace.end)
        # Only HashFinder itself refuses distances above the length.
        query = replace(self.rules, ideal_distance=min(self.ideal_distance, length))
        return Chance.of(query, self.first_position)

    def message(self, next_position: int | None = None) -> HashNameRequest:
        """Return the request for all of it, or for what is left from `next_position` on."""
        scheme, keyspace = self.scheme, self.keyspace
        # What has its default is left out: the request is then the one that older clients send.
        request = HashNameRequest(
            desired_name=self.name,
            ideal_hamming_distance=self.ideal_distance,
            interesting_hamming_distance=self.inferior_distance or 0,
            start_position=self.start_position,
            maximum_hashes=self.maximum_hashes,
            hash_algorithm=_explicit(scheme.algorithm, Algorithm.SHA1),
            digest_encoding=_explicit(scheme.encoding, Encoding.BASE64),
            anchor=_explicit(scheme.anchor, Anchor.ANYWHERE),
            case_sensitive=scheme.case_sensitive,
            wildcard=scheme.wildcard,
            secret_prefix=self.secret_prefix,
            secret_suffix=self.secret_suffix,
            secret_alphabet=b"" if keyspace.alphabet == ALL_BYTES else keyspace.alphabet,
            secret_length=keyspace.length,
        )
        if next_position is not None and next_position != self.first_position:
            request.start_position = next_position
            if self.maximum_hashes is not None:
                request.maximum_hashes = self.limit - next_position
        return request


def _explicit(member: Enum, default: Enum) -> Any:  # noqa: ANN401  # the number of some enumeration
    return None if member is default else member.value
