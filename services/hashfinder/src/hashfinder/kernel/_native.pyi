"""The C kernel's binding. Use it through `hashfinder.kernel.native`."""

from array import array
from typing import Final

VARIANTS: Final[tuple[tuple[str, tuple[str, ...]], ...]]
"""Each compiled instruction set with the CPU features it needs, the fastest first."""

def cpu_features() -> frozenset[str]:
    """Return which of the features named in `VARIANTS` this CPU and this kernel of the OS have."""

def scan(
    variant: str,
    pattern: bytes,
    ideal_distance: int,
    result_distance: int,
    start: int,
    last: int,
    best_distance: int,
    results: array[int],
    halt: bytearray | None,
    /,
) -> tuple[int, int, bool, int, int]:
    """Search the positions `start` to `last`, both included, and write the results into an array.

    The array has 64 bits for each position. The results overwrite it from its first item on; its
    length, at least 1, is the most to find. Once the first byte of `halt` is not 0, the search ends
    early.

    Returns:
        The last position searched, the number of results, whether the last of them is ideal, the
        smallest distance, and the first position with it, which means nothing unless the distance
        is below `best_distance`.

    Raises:
        OverflowError: a position is outside the keyspace.
        ValueError: another argument is out of its range, or the CPU cannot run the variant.
    """
