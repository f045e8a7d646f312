"""The kernel in plain Python: the specification that the native one is held to.

Slow (some ten thousand candidates a second), and meant to be checked by eye: every rule of
`Scanner.scan` is one line of `PythonScanner.scan`. It does every query that the contract allows.
"""

from array import array

from hashfinder.kernel.interface import Scan
from hashfinder_rules.query import Query
from hashfinder_rules.score import distance


class PythonScanner:
    """The reference implementation of `Scanner`."""

    def __init__(self, query: Query) -> None:
        """Take what to search for."""
        self._query = query

    def scan(
        self,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Search the positions from `start` up to, not including, `stop`. See `Scanner.scan`."""
        query = self._query
        results = array("Q")
        best: tuple[int, int] | None = None
        for position in range(start, stop):
            text = query.scheme.hash_text(query.message_at(position))
            score = distance(query.name, text, query.scheme)
            if score < best_distance:
                best_distance = score
                best = (position, score)
            if score <= query.result_distance:
                results.append(position)
                found = score <= query.ideal_distance
                if found or len(results) == capacity:
                    return Scan(position + 1, results, best, found)
            if halt and halt[0]:
                return Scan(position + 1, results, best)
        return Scan(stop, results, best)


class PythonKernel:
    """The reference implementation of `Kernel`."""

    backend = "python"

    def prepare(self, query: Query) -> PythonScanner:
        """Return what scans for `query`. See `Kernel.prepare`."""
        if query.result_distance > len(query.name):
            message = "the distances must not be above the length of the name"
            raise ValueError(message)
        return PythonScanner(query)
