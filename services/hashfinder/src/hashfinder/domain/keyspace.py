r"""The keyspace: all byte strings by length, then in lexicographic order, and their positions.

The index of a byte string in that order is its *position*: 0 is ``b""``, 1 is ``b"\x00"``, 257 is
``b"\x00\x00"``. It is the bijective base-256 numeral whose digits are the bytes plus one.
"""

KEYSPACE_END = 2**64
"""One past the last position."""


def length_at(position: int) -> int:
    """Return the length in bytes (0 to 8) of the byte string at `position`."""
    # The strings of one length start at (256^length - 1) / 255.
    return ((position * 255 + 1).bit_length() - 1) // 8


def first_position(length: int) -> int:
    """Return the position of the first byte string of `length` bytes."""
    return ((1 << 8 * length) - 1) // 255


def secret_at(position: int) -> bytes:
    """Return the byte string at `position` (0 to 2^64 - 1).

    Raises:
        ValueError: the position is outside the keyspace.
    """
    if not 0 <= position < KEYSPACE_END:
        message = f"position must be 0 to 2^64 - 1, not {position}"
        raise ValueError(message)
    length = length_at(position)
    return (position - first_position(length)).to_bytes(length)


def position_of(secret: bytes) -> int:
    """Return the position of `secret`; the inverse of `secret_at`."""
    return first_position(len(secret)) + int.from_bytes(secret)
