"""The kernel in C, one for each instruction set that it was compiled for."""

from array import array
from collections.abc import Set as AbstractSet

from hashfinder.kernel import _native
from hashfinder.kernel.interface import Scan, Scanner
from hashfinder.kernel.python import PythonScanner
from hashfinder_rules.query import Query

_BLOCK = 256
"""The values of the last byte: the unit of work."""


class NativeScanner:
    """A `Scanner` in C for one instruction set. Scans with the GIL released."""

    def __init__(self, variant: str, query: Query) -> None:
        """Take the kernel compiled as `variant`, and a query of the classic kind."""
        self.backend = f"native-{variant}"
        self._variant = variant
        self._query = query
        scheme = query.scheme
        self._pattern = bytes(
            ord(character) if scheme.is_symbol(character) else 0
            for character in scheme.fold(query.name)
        )

    def border(self, position: int) -> int:
        """Return the next position at which the last byte begins again. See `Scanner.border`."""
        # The first position of every length above 0 is 1 modulo 256.
        return position + (1 - position) % _BLOCK

    def scan(
        self,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Search the positions from `start` up to, not including, `stop`. See `Scanner.scan`."""
        results = array("Q", bytes(8 * capacity))
        if start == stop:
            return Scan(stop, results[:0])
        last, count, found, distance, position = _native.scan(
            self._variant,
            self._pattern,
            self._query.ideal_distance,
            self._query.result_distance,
            start,
            stop - 1,  # 2^64 itself does not fit the 64 bits of a position
            best_distance,
            results,
            halt,
        )
        del results[count:]
        best = (position, distance) if distance < best_distance else None
        return Scan(last + 1, results, best, found)


class NativeKernel:
    """A `Kernel` in C for one instruction set."""

    def __init__(self, variant: str) -> None:
        """Take the kernel compiled as `variant`, one of `supported_variants`."""
        self._variant = variant

    @property
    def backend(self) -> str:
        """The implementation and instruction set, as in ``native-avx512``."""
        return f"native-{self._variant}"

    def prepare(self, query: Query) -> Scanner:
        """Return what scans for `query`: in C for the classic search, in Python for any other."""
        classic = Query(query.name, query.ideal_distance, query.interesting_distance)
        return NativeScanner(self._variant, query) if query == classic else PythonScanner(query)


def supported_variants(features: AbstractSet[str] | None = None) -> list[str]:
    """Return the variants that a CPU can run, the fastest first.

    Args:
        features: what the CPU has, in the names of `_native.VARIANTS`; None for this CPU.
    """
    if features is None:
        features = _native.cpu_features()
    return [name for name, needed in _native.VARIANTS if features >= set(needed)]
