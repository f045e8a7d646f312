"""The kernel in C, one for each instruction set that it was compiled for."""

from array import array
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cache

from hashfinder.kernel import _native
from hashfinder.kernel.interface import Scan
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import PADDING, Encoding, Scheme


class NativeScanner:
    """A `Scanner` in C for one instruction set. Scans with the GIL released."""

    def __init__(self, variant: str, query: Query) -> None:
        """Prepare `query`, a valid one, for the kernel compiled as `variant`."""
        scheme, keyspace = query.scheme, query.keyspace
        self._ends_with_first = query.result_distance <= query.ideal_distance
        offsets = scheme.offsets(len(query.name))
        symbols_of = _symbols_of(scheme.encoding, scheme.case_sensitive)
        symbols = [symbols_of.get(character, 0) for character in scheme.fold(query.name)]
        padding = [character == PADDING for character in query.name]
        if scheme.wildcard:
            for index, character in enumerate(query.name):
                if character == scheme.wildcard:
                    symbols[index], padding[index] = (1 << len(scheme.encoding.symbols)) - 1, True
        self._scanner = _native.prepare(
            variant,
            scheme.algorithm.value - 1,
            query.secret_prefix,
            query.secret_suffix,
            keyspace.alphabet,
            -1 if keyspace.length is None else keyspace.length,
            scheme.encoding.bits,
            scheme.text_length,
            array("Q", symbols),
            bytes(padding),
            offsets[0],
            offsets[-1],
            query.ideal_distance,
            query.result_distance,
        )

    def scan(
        self,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Search the positions from `start` up to, not including, `stop`. See `Scanner.scan`."""
        results = array("Q", bytes(8 if self._ends_with_first else 8 * capacity))
        if start == stop:
            return Scan(stop, results[:0])
        last, count, found, distance, position = _native.scan(
            self._scanner,
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

    def prepare(self, query: Query) -> NativeScanner:
        """Return what scans for `query`. See `Kernel.prepare`."""
        return NativeScanner(self._variant, query)


@cache
def _symbols_of(encoding: Encoding, case_sensitive: bool) -> Mapping[str, int]:  # noqa: FBT001  # a key
    """Return which symbols a folded character matches, a bit for each."""
    scheme = Scheme(encoding=encoding, case_sensitive=case_sensitive)
    matches: Counter[str] = Counter()
    for value, symbol in enumerate(encoding.symbols):
        matches[scheme.fold(symbol)] |= 1 << value
    return matches


def supported_variants(features: AbstractSet[str] | None = None) -> list[str]:
    """Return the variants that a CPU can run, the fastest first.

    Args:
        features: what the CPU has, in the names of `_native.VARIANTS`; None for this CPU.
    """
    if features is None:
        features = _native.cpu_features()
    return [name for name, needed in _native.VARIANTS if features >= set(needed)]
