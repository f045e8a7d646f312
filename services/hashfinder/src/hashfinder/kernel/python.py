"""The kernel in plain Python: the specification that the native one is held to.

Slow (some ten thousand candidates a second), and meant to be checked by eye: every rule of
`Kernel.scan` is one line of `PythonKernel.scan`.
"""

from array import array

from hashfinder.domain.candidate import distance_between, hash_text
from hashfinder.domain.keyspace import secret_at
from hashfinder.domain.query import Query
from hashfinder.kernel.interface import Scan


class PythonKernel:
    """The reference implementation of `Kernel`."""

    backend = "python"

    def scan(
        self,
        query: Query,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Search the positions from `start` up to, not including, `stop`. See `Kernel.scan`."""
        results = array("Q")
        best: tuple[int, int] | None = None
        for position in range(start, stop):
            distance = distance_between(query.pattern, hash_text(secret_at(position)))
            if distance < best_distance:
                best_distance = distance
                best = (position, distance)
            if distance <= query.result_distance:
                results.append(position)
                found = distance <= query.ideal_distance
                if found or len(results) == capacity:
                    return Scan(position + 1, results, best, found)
            if halt and halt[0]:
                return Scan(position + 1, results, best)
        return Scan(stop, results, best)
