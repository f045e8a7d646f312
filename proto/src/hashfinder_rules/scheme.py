"""How a message becomes the text that a name is compared with: hash, encoding, anchor, case.

Algorithms and encodings are rows of data. The value of each member is its number in the contract,
`hash_name.proto`.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Self

PADDING = "="
_FOLD = str.maketrans(ascii_uppercase, ascii_lowercase)
_HEX = "0123456789abcdef"
_LETTERS_AND_DIGITS = ascii_uppercase + ascii_lowercase + digits


class _Numbered(Enum):
    """An enumeration whose members have attributes beside their number."""

    def __new__(cls, number: int, *_attributes: object) -> Self:
        """Make the number alone the member's value."""
        member = object.__new__(cls)
        member._value_ = number
        return member


class Algorithm(_Numbered):
    """A hash function."""

    SHA1 = (1, "SHA-1", 20, 64)
    SHA256 = (2, "SHA-256", 32, 64)
    SHA512 = (3, "SHA-512", 64, 128)

    def __init__(self, _number: int, title: str, digest_size: int, block_size: int) -> None:
        """Take the name for sentences, and the sizes in bytes of a digest and of a block."""
        self.title = title
        self.digest_size = digest_size
        self.block_size = block_size
        self._function = getattr(hashlib, self.name.lower())

    def digest(self, message: bytes) -> bytes:
        """Return the digest of `message`."""
        return bytes(self._function(message, usedforsecurity=False).digest())

    def blocks(self, size: int) -> int:
        """Return how many blocks a message of `size` bytes is compressed in."""
        # A byte 0x80, zeros, and the length in an eighth of a block complete the last one.
        return (size + self.block_size // 8) // self.block_size + 1


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _base64url(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip(PADDING)


def _base32(digest: bytes) -> str:
    return base64.b32encode(digest).decode()


def _binary(digest: bytes) -> str:
    return format(int.from_bytes(digest), f"0{8 * len(digest)}b")


class Encoding(_Numbered):
    """A way to write a digest as text."""

    BASE64 = (1, "base64", _LETTERS_AND_DIGITS + "+/", 4, _base64)
    BASE64URL = (2, "base64url", _LETTERS_AND_DIGITS + "-_", 1, _base64url)
    HEX = (3, "hex", _HEX, 1, bytes.hex)
    BASE32 = (4, "base32", ascii_uppercase + "234567", 8, _base32)
    BINARY = (5, "binary", "01", 1, _binary)

    def __init__(
        self, _number: int, title: str, symbols: str, group: int, text: Callable[[bytes], str]
    ) -> None:
        """Take the name for sentences, the symbols in order, and how to write a digest.

        The text is padded with ``=`` to a multiple of `group` characters; 1 for no padding.
        """
        self.title = title
        self.symbols = symbols
        self.bits = len(symbols).bit_length() - 1
        """How many bits a symbol stands for."""
        self.group = group
        self.text = text
        """Returns a digest as text, the most significant bits first, padding included."""


class Anchor(_Numbered):
    """Where in the text a name may stand."""

    ANYWHERE = (1,)
    START = (2,)
    END = (3,)
    """The last character of the name is the last one before any padding."""


@dataclass(frozen=True)
class Scheme:
    """How a message is hashed and written, and how its text is compared with a name."""

    algorithm: Algorithm = Algorithm.SHA1
    encoding: Encoding = Encoding.BASE64
    anchor: Anchor = Anchor.ANYWHERE
    case_sensitive: bool = False
    """Otherwise A-Z and a-z compare as equal, in every encoding that has letters."""
    wildcard: str = ""
    """One character that, in a name, matches any at distance 0; empty for none."""

    @cached_property
    def symbol_count(self) -> int:
        """The length of a digest's text without its padding."""
        return -(-8 * self.algorithm.digest_size // self.encoding.bits)

    @cached_property
    def text_length(self) -> int:
        """The length of a digest's text, padding included."""
        return -(-self.symbol_count // self.encoding.group) * self.encoding.group

    @property
    def longest_name(self) -> int:
        """How many characters a name may have."""
        return self.symbol_count if self.anchor is Anchor.END else self.text_length

    def offsets(self, length: int) -> range:
        """Return where a name of `length` characters, 1 to `longest_name`, may begin."""
        match self.anchor:
            case Anchor.ANYWHERE:
                return range(self.text_length - length + 1)
            case Anchor.START:
                return range(1)
            case Anchor.END:
                return range(self.symbol_count - length, self.symbol_count - length + 1)

    def text(self, digest: bytes) -> str:
        """Return the text of a digest."""
        return self.encoding.text(digest)

    def hash_text(self, message: bytes) -> str:
        """Return the text of the hash of `message`."""
        return self.encoding.text(self.algorithm.digest(message))

    def fold(self, text: str) -> str:
        """Return `text` as it compares: A-Z in lower case unless case counts, the rest as it is.

        `str.lower` would also turn the Kelvin sign into a k, and one character into two.
        """
        if self.case_sensitive:
            return text
        return text.lower() if text.isascii() else text.translate(_FOLD)

    def is_symbol(self, character: str) -> bool:
        """Return whether `character` equals one of the encoding, padding included."""
        padding = PADDING if self.encoding.group > 1 else ""
        return self.fold(character) in self.fold(self.encoding.symbols + padding)

    @cached_property
    def places(self) -> tuple[Mapping[str, float], ...]:
        """For each place of the text, which folded characters can stand there, how probably.

        The last symbol may have fewer bits of the digest than the others; the bits that it lacks
        are zeros, so that only some symbols can occur there.
        """
        missing = self.symbol_count * self.encoding.bits - 8 * self.algorithm.digest_size
        whole = self._distribution(self.encoding.symbols)
        partial = self._distribution(self.encoding.symbols[:: 1 << missing])
        padding = self.text_length - self.symbol_count
        return (whole,) * (self.symbol_count - 1) + (partial,) + ({PADDING: 1.0},) * padding

    def _distribution(self, symbols: str) -> Mapping[str, float]:
        folded = self.fold(symbols)
        return {symbol: folded.count(symbol) / len(folded) for symbol in folded}
