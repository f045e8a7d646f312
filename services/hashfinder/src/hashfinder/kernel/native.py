"""The kernel in C, one for each instruction set that it was compiled for."""

from array import array
from collections.abc import Set as AbstractSet

from hashfinder.domain.query import Query
from hashfinder.kernel import _native
from hashfinder.kernel.interface import Scan


class NativeKernel:
    """A `Kernel` in C for one instruction set. Scans with the GIL released."""

    def __init__(self, variant: str) -> None:
        """Take the kernel compiled as `variant`, one of `supported_variants`."""
        self._variant = variant

    @property
    def backend(self) -> str:
        """The implementation and instruction set, as in ``native-avx512``."""
        return f"native-{self._variant}"

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
        results = array("Q", bytes(8 * capacity))
        if start == stop:
            return Scan(stop, results[:0])
        last, count, found, distance, position = _native.scan(
            self._variant,
            query.pattern,
            query.ideal_distance,
            query.result_distance,
            start,
            stop - 1,  # 2^64 itself does not fit the 64 bits of a position
            best_distance,
            results,
            halt,
        )
        del results[count:]
        best = (position, distance) if distance < best_distance else None
        return Scan(last + 1, results, best, found)


def supported_variants(features: AbstractSet[str] | None = None) -> list[str]:
    """Return the variants that a CPU can run, the fastest first.

    Args:
        features: what the CPU has, in the names of `_native.VARIANTS`; None for this CPU.
    """
    if features is None:
        features = _native.cpu_features()
    return [name for name, needed in _native.VARIANTS if features >= set(needed)]
