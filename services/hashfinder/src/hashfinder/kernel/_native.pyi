"""The C kernel's binding. Use it through `hashfinder.kernel.native`."""

from array import array
from typing import Final

VARIANTS: Final[tuple[tuple[str, tuple[str, ...]], ...]]
"""Each compiled instruction set with the CPU features it needs, the fastest first."""

def cpu_features() -> frozenset[str]:
    """Return which of the features named in `VARIANTS` this CPU and this kernel of the OS have."""

def prepare(
    variant: str,
    algorithm: int,
    prefix: bytes,
    suffix: bytes,
    alphabet: bytes,
    secret_length: int,
    symbol_bits: int,
    text_length: int,
    symbols: array[int],
    padding: bytes,
    first_offset: int,
    last_offset: int,
    ideal_distance: int,
    result_distance: int,
    /,
) -> object:
    """Return a scanner for a query: a capsule. Any number of threads may scan with it at once.

    Args:
        variant: the instruction set, one of `VARIANTS` that the CPU can run.
        algorithm: 0 for SHA-1, 1 for SHA-256, 2 for SHA-512.
        prefix: what each message begins with.
        suffix: what it ends with; with the prefix at most 48 KiB.
        alphabet: the 2 to 256 bytes that secrets are made of, in order.
        secret_length: of each secret, 0 to 1024; -1 for all lengths, one after the other.
        symbol_bits: how many bits of the digest are a character of its text: 1, 4, 5 or 6.
        text_length: of the digest's text with its padding, at most 512.
        symbols: for each character of the name, 64 bits: bit v if it matches the symbol of the
            value v. None, one, two or all symbols may match.
        padding: for each character of the name, a byte: 1 if it matches the padding.
        first_offset: where in the text the name may begin at the earliest.
        last_offset: and at the latest.
        ideal_distance: the first candidate within it ends a scan.
        result_distance: a candidate within it is a result. From `ideal_distance` to the name's
            length.

    Raises:
        OverflowError: a number does not fit 31 bits.
        ValueError: an argument is out of its range, or the CPU cannot run the variant.
    """

def scan(
    scanner: object,
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
        OverflowError: a position does not fit 64 bits.
        ValueError: a position is outside the keyspace, or the array is too small.
    """
