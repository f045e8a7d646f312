"""A Git commit object, and the places where its bytes are free.

An object's id is the hash of ``commit <size>``, a NUL, and the content. Two places can vary while
Git shows the same commit (``git fsck --strict`` accepts both): an extra header after the known
ones, and white space behind the message.

The free bytes are aligned so that the object ends at byte 54 of its last block, or that the block
with the last free byte ends with it: the kernel then repeats as little of the hash as possible.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

_BLOCK = 64
"""Bytes that SHA-1 and SHA-256 compress at a time."""
_PADDING = 9
"""The 0x80 and the eight bytes of the length that both append to a message."""
_INNER = 4
"""The last symbols, which the kernel varies innermost: they should share a block with the end."""
_HEADER = b"nonce"
_SIGNATURES = frozenset({b"gpgsig", b"gpgsig-sha256"})


class Place(StrEnum):
    """Where a commit has free bytes."""

    HEADER = "header"
    """An extra header. It survives ``git commit --amend``, not a rebase."""
    MESSAGE = "message"
    """A last line of spaces and tabs. It survives neither."""


_SYMBOLS = {Place.HEADER: b"@ABCDEFGHIJKLMNO", Place.MESSAGE: b" \t"}
"""Sixteen symbols that vary disjoint bits, and all the white space that no reader sees."""
_LENGTHS = {Place.HEADER: 16, Place.MESSAGE: 64}
"""How many symbols make 2^64 different secrets."""


class InvalidCommitError(ValueError):
    """The bytes are not a commit object that Git would write."""


@dataclass(frozen=True, slots=True)
class Template:
    """An object with a hole: `prefix`, `length` symbols of `alphabet`, `suffix`."""

    place: Place
    prefix: bytes
    suffix: bytes
    alphabet: bytes
    length: int

    @property
    def blocks(self) -> int:
        """How many blocks are compressed for each candidate, at least 1."""
        first = len(self.prefix) + self.length - min(_INNER, self.length)
        end = len(self.prefix) + self.length + len(self.suffix) + _PADDING
        return -(-end // _BLOCK) - first // _BLOCK

    def content(self, secret: bytes) -> bytes:
        """Return the commit's content, without the object's own header, with `secret` in place."""
        return (self.prefix + secret + self.suffix).partition(b"\0")[2]


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit's content, as ``git cat-file commit`` prints it."""

    headers: bytes
    """The lines before the first empty one, each with its line feed."""
    message: bytes

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Parse the content.

        Raises:
            InvalidCommitError: it does not begin with a tree, or holds a NUL.
        """
        headers, blank, message = content.partition(b"\n\n")
        if not content.startswith(b"tree ") or b"\0" in content:
            reason = "the commit object is malformed: it must begin with its tree and hold no NUL"
            raise InvalidCommitError(reason)
        if not blank:  # Git writes the empty line also where the message is empty
            headers, message = content.removesuffix(b"\n"), b""
        return cls(headers + b"\n", message)

    @property
    def is_signed(self) -> bool:
        """Whether it has a signature, which any other byte would break."""
        return any(line.partition(b" ")[0] in _SIGNATURES for line in self.headers.splitlines())

    def template(self, place: Place | None = None) -> Template:
        """Return the object with free bytes at `place`.

        None stands for the header where each candidate then takes one block, else the message.
        Free bytes of an earlier search at the same place are replaced.
        """
        if place is None:
            header = self.template(Place.HEADER)
            return header if header.blocks == 1 else self.template(Place.MESSAGE)
        if place is Place.HEADER:
            before = self._headers_without_nonce() + _HEADER + b" "
            after = b"\n\n" + self.message
        else:
            before = self.headers + b"\n" + self._message_without_padding()
            after = b"\n"
        alphabet, length = _SYMBOLS[place], _LENGTHS[place]
        candidates = [
            Template(
                place,
                _object_header(before, fill, length, after) + before + alphabet[:1] * fill,
                after,
                alphabet,
                length,
            )
            for fill in range(_BLOCK)
        ]
        return min(candidates, key=lambda t: (t.blocks, -((len(t.prefix) + t.length - 1) % _BLOCK)))

    def _headers_without_nonce(self) -> bytes:
        lines = self.headers.splitlines(keepends=True)
        if lines[-1].startswith(_HEADER + b" "):
            lines.pop()
        return b"".join(lines)

    def _message_without_padding(self) -> bytes:
        text, line_feed, last = self.message.removesuffix(b"\n").rpartition(b"\n")
        is_ours = len(last) >= _LENGTHS[Place.MESSAGE] and not last.strip(b" \t")
        return text + line_feed if is_ours else self.message


def _object_header(before: bytes, fill: int, length: int, after: bytes) -> bytes:
    return b"commit %d\0" % (len(before) + fill + length + len(after))
