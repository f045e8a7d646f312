"""What to search for, and where: the request without anything about how to get it answered."""

from dataclasses import dataclass, field

from hashfinder_proto.hash_name_pb2 import HashNameRequest

KEYSPACE = 2**64
"""The number of positions."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """A name, how near to it a hash must come, and a range. None stands for what is left out."""

    name: str = field(kw_only=False)
    ideal_distance: int = 0
    """The search ends with the first hash that differs in at most so many characters."""
    inferior_distance: int | None = None
    """On the way, take every hash that differs in at most so many characters as well."""
    start_position: int | None = None
    maximum_hashes: int | None = None
    """The budget, over all RPCs that the search takes; None for no bound on this side."""

    @property
    def first_position(self) -> int:
        """The position it starts from."""
        return self.start_position or 0

    @property
    def limit(self) -> int:
        """The first position beyond its range."""
        if self.maximum_hashes is None:
            return KEYSPACE
        return min(self.first_position + self.maximum_hashes, KEYSPACE)

    @property
    def result_distance(self) -> int:
        """The largest distance of a result."""
        return max(self.ideal_distance, self.inferior_distance or 0)

    def message(self, next_position: int | None = None) -> HashNameRequest:
        """Return the request for all of it, or for what is left from `next_position` on."""
        request = HashNameRequest(
            desired_name=self.name,
            ideal_hamming_distance=self.ideal_distance,
            interesting_hamming_distance=self.inferior_distance or 0,
            start_position=self.start_position,
            maximum_hashes=self.maximum_hashes,
        )
        if next_position is not None and next_position != self.first_position:
            request.start_position = next_position
            if self.maximum_hashes is not None:
                request.maximum_hashes = self.limit - next_position
        return request
