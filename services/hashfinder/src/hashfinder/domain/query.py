"""What is searched for: a name and two distances."""

from dataclasses import dataclass
from functools import cached_property
from string import ascii_lowercase, ascii_uppercase, digits

HASHED_NAME_LENGTH = 28
"""The length of a SHA-1 in base64: 26 whole sextets, one of the last four bits, and ``=``."""

_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_SYMBOLS = frozenset(ascii_lowercase + digits + "+/")
# The last four bits stand in the high end of their sextet: only every fourth symbol can occur.
_LAST_SYMBOLS = frozenset("aeimquycgkosw048")
_WHOLE_SEXTETS = 26
_SYMBOLS_AT = [_SYMBOLS] * _WHOLE_SEXTETS + [_LAST_SYMBOLS, frozenset("=")]


def fold(text: str) -> str:
    """Return `text` with A-Z in lower case and every other character as it is.

    `str.lower` would also turn the Kelvin sign into a k, and one character into two.
    """
    return text.translate(_LOWER)


def smallest_distance(name: str) -> int:
    """Return the smallest distance that any hash can have from `name` (1 to 28 characters).

    It is above 0 where the name has characters that cannot occur where they would have to.
    """
    folded = fold(name)
    if len(name) <= _WHOLE_SEXTETS and _SYMBOLS.issuperset(folded):
        return 0
    return min(
        sum(c not in symbols for c, symbols in zip(folded, _SYMBOLS_AT[offset:], strict=False))
        for offset in range(HASHED_NAME_LENGTH - len(name) + 1)
    )


@dataclass(frozen=True)
class Query:
    """What is searched for. The caller has checked the ranges."""

    name: str
    """The desired name, 1 to 28 characters."""
    ideal_distance: int
    """A candidate within this distance ends the search. 0 to the length of the name."""
    interesting_distance: int = 0
    """A candidate within this distance is a result as well. 0 to the length of the name."""

    @property
    def result_distance(self) -> int:
        """The largest distance of a result."""
        return max(self.ideal_distance, self.interesting_distance)

    @cached_property
    def pattern(self) -> bytes:
        """The folded name, one byte a character; 0 for one that occurs in no hash."""
        return bytes(ord(c) if c in _SYMBOLS or c == "=" else 0 for c in fold(self.name))
