"""The kernel in plain Python: the specification that the native one is held to.

Slow (some ten thousand candidates a second), and meant to be checked by eye: every rule of
`Kernel.scan` is one line of `PythonKernel.scan`.
"""

from hashfinder.domain.candidate import distance_between, hash_text
from hashfinder.domain.keyspace import secret_at
from hashfinder.domain.query import Query
from hashfinder.kernel.interface import Scan


class PythonKernel:
    """The reference implementation of `Kernel`."""

    backend = "python"

    def scan(self, query: Query, start: int, stop: int, best_distance: int, capacity: int) -> Scan:
        """Search the positions from `start` up to, not including, `stop`. See `Kernel.scan`."""
        hits: list[tuple[int, int]] = []
        for position in range(start, stop):
            distance = distance_between(query.pattern, hash_text(secret_at(position)))
            if distance <= query.result_distance or distance < best_distance:
                hits.append((position, distance))
                best_distance = min(best_distance, distance)
                if distance <= query.ideal_distance or len(hits) == capacity:
                    return Scan(position + 1, hits)
        return Scan(stop, hits)
