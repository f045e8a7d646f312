r"""Which secrets are searched, in which order, and their positions.

All strings over an alphabet, in order of increasing length from the empty one, or those of one
length alone; each length in the order of the alphabet. The index of a secret in that order is its
*position*. With all 256 bytes, 0 is ``b""``, 1 is ``b"\x00"`` and 257 is ``b"\x00\x00"``: the
bijective base-256 numeral whose digits are the bytes plus one.
"""

from dataclasses import dataclass
from functools import cached_property

POSITIONS_END = 2**64
"""One past the largest position: positions have 64 bits."""
ALL_BYTES = bytes(range(256))
LONGEST_LENGTH = 1024
"""The largest fixed length."""


@dataclass(frozen=True)
class Keyspace:
    """The secrets and their order. `violations` checks the values."""

    alphabet: bytes = ALL_BYTES
    """2 to 256 distinct bytes, in the order in which they are enumerated."""
    length: int | None = None
    """The length of every secret, 0 to 1024; None for all lengths."""

    @cached_property
    def end(self) -> int:
        """One past the last position, at most 2^64."""
        if self.length is None:
            return POSITIONS_END
        secrets: int = len(self.alphabet) ** self.length
        return min(secrets, POSITIONS_END)

    @cached_property
    def is_distinct(self) -> bool:
        """Whether no byte of the alphabet occurs twice."""
        return len(set(self.alphabet)) == len(self.alphabet)

    @cached_property
    def longest(self) -> int:
        """The length of the last secret."""
        return self.length_at(self.end - 1)

    @cached_property
    def _digits(self) -> dict[int, int]:
        return {byte: digit for digit, byte in enumerate(self.alphabet)}

    def first_position(self, length: int) -> int:
        """Return the position of the first secret of `length` bytes."""
        if self.length is not None:
            return 0
        size = len(self.alphabet)
        shorter: int = (size**length - 1) // (size - 1)
        return shorter

    def length_at(self, position: int) -> int:
        """Return the length in bytes of the secret at `position`."""
        if self.length is not None:
            return self.length
        length, secrets, end, size = 0, 1, 1, len(self.alphabet)
        while end <= position:
            length += 1
            secrets *= size
            end += secrets
        return length

    def secret_at(self, position: int) -> bytes:
        """Return the secret at `position`.

        Raises:
            ValueError: the position is outside the keyspace.
        """
        if not 0 <= position < self.end:
            message = f"position must be 0 to {self.end - 1}, not {position}"
            raise ValueError(message)
        length, alphabet, size = self.length_at(position), self.alphabet, len(self.alphabet)
        index = position - self.first_position(length)
        secret = bytearray()
        while index:
            index, digit = divmod(index, size)
            secret.append(alphabet[digit])
        secret.reverse()
        return bytes(secret).rjust(length, alphabet[:1])

    def position_of(self, secret: bytes) -> int:
        """Return the position of `secret`; the inverse of `secret_at`.

        Raises:
            ValueError: the secret is not in the keyspace, or its position has more than 64 bits.
        """
        index = 0
        for byte in secret:
            if byte not in self._digits:
                message = f"byte {byte:#04x} is not in the alphabet"
                raise ValueError(message)
            index = index * len(self.alphabet) + self._digits[byte]
        position = self.first_position(len(secret)) + index
        if self.length not in {None, len(secret)} or position >= self.end:
            message = f"a secret of {len(secret)} bytes is outside the keyspace"
            raise ValueError(message)
        return position
