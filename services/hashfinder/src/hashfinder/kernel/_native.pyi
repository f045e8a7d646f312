"""The C kernel's binding. Use it through `hashfinder.kernel.native`."""

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
    capacity: int,
    /,
) -> tuple[int, list[tuple[int, int]]]:
    """Search the positions `start` to `last`, both included; return the last searched, and hits.

    Raises:
        OverflowError: a position is outside the keyspace.
        ValueError: another argument is out of its range, or the CPU cannot run the variant.
    """
