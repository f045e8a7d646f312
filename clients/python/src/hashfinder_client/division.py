"""How the positions of a search are cut into ranges, and which of these belong to one process."""

from dataclasses import dataclass, replace

from hashfinder_client.numbers import check_count
from hashfinder_client.query import Query

DEFAULT_RANGE_SIZE = 2_000_000_000
"""Half a minute of a core with AVX2, within a server's default budget of an RPC. The last
ranges of a search end one after another, so that a search wastes up to a range's time; a new server
waits as long for work. What an RPC costs, milliseconds, hardly counts against either."""


@dataclass(frozen=True, kw_only=True)
class Division:
    """How the positions are cut into ranges, and which of these belong to this search."""

    range_size: int
    """Positions in a range; the last one may have fewer."""
    width: int = 1
    """How many ranges are searched at once."""
    index: int = 0
    """The number of the first range of this search."""
    count: int = 1
    """This search has every `count`-th range from there: the others belong to other processes."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: one is out of its range.
        """
        check_count("range_size", self.range_size, least=1)
        check_count("width", self.width, least=1)
        check_count("count", self.count, least=1)
        check_count("index", self.index, least=0, most=self.count - 1)

    def part(self, query: Query, turn: int) -> Query | None:
        """Return the range of this search that has its turn as number `turn`; None for no more."""
        start = query.first_position + (self.index + turn * self.count) * self.range_size
        if start >= query.limit:
            return None
        size = min(self.range_size, query.limit - start)
        return replace(query, start_position=start, maximum_hashes=size)

    def resume_position(self, part: Query, reached: int) -> int:
        """Return the position to resume `part` from, searched up to `reached`.

        Where other processes have the ranges between, the cut must stay where it is: that is whole
        ranges only, and the position is where the first of all processes resumes.
        """
        if self.count == 1:
            return reached
        return part.first_position - self.index * self.range_size
