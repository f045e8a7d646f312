"""Hashcash stamps of version 1: ``1:bits:date:resource:extension:random:counter``.

Protocol: http://www.hashcash.org/docs/hashcash.html. A stamp is worth as many bits as the SHA-1 of
its text has leading zeros.
"""

import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from string import ascii_letters, digits
from typing import Self

from hashfinder_cli.jobs.zero_bits import count_zero_bits, zero_bits
from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm

_VERSION = "1"
_FIELDS = 7
_COUNTER = (ascii_letters + digits + "+/").encode()
_COUNTER_LENGTH = 11
"""Places that make more than 2^64 counters."""
_RANDOM_LENGTH = 16
DATE_FORMATS = {6: "%y%m%d", 10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S"}
"""How a date is written, by its length."""


class InvalidStampError(ValueError):
    """The text is not a stamp of version 1, or a part of one is not allowed."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A stamp's parts, as text."""

    bits: int
    """How many leading zero bits it promises, 0 to 160."""
    date: str
    resource: str
    extension: str
    random: str
    counter: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a stamp.

        Raises:
            InvalidStampError: with the part that is wrong.
        """
        parts = text.split(":")
        if len(parts) < _FIELDS or parts[0] != _VERSION:
            message = "a stamp has the form 1:bits:date:resource:extension:random:counter"
            raise InvalidStampError(message)
        # A resource may hold colons, as an IPv6 address does; the other parts may not.
        _, bits, date, *resource, extension, random, counter = parts
        if not bits.isdecimal() or not bits.isascii() or int(bits) > 8 * Algorithm.SHA1.digest_size:
            message = f"the stamp's bits must be 0 to 160, not {bits!r}"
            raise InvalidStampError(message)
        parse_date(date)
        return cls(int(bits), date, ":".join(resource), extension, random, counter)

    def __str__(self) -> str:
        """Return the stamp as text."""
        parts = (self.date, self.resource, self.extension, self.random, self.counter)
        return ":".join((_VERSION, str(self.bits), *parts))

    @property
    def value(self) -> int:
        """How many leading zero bits its hash has."""
        return count_zero_bits(Algorithm.SHA1.digest(str(self).encode()))


def parse_date(date: str) -> datetime:
    """Return the time that a stamp's date means, in UTC.

    Raises:
        InvalidStampError: it is not YYMMDD, YYMMDDhhmm or YYMMDDhhmmss.
    """
    pattern = DATE_FORMATS.get(len(date))
    if pattern and date.isascii() and date.isdecimal():
        with suppress(ValueError):  # a month 13
            return datetime.strptime(date, pattern).replace(tzinfo=UTC)
    message = f"a date must be YYMMDD, YYMMDDhhmm or YYMMDDhhmmss, in UTC, not {date!r}"
    raise InvalidStampError(message)


def blank(resource: str, bits: int, date: str | None = None, extension: str = "") -> Stamp:
    """Return a stamp without a counter, with a random part of its own; its date is today's.

    Raises:
        InvalidStampError: the date is invalid, or a part holds what would end it.
    """
    if date is None:
        date = datetime.now(UTC).strftime(DATE_FORMATS[6])
    parse_date(date)
    for name, part in (("resource", resource), ("extension", extension)):
        if not part.isprintable() or " " in part:
            message = f"the {name} must be printable and without spaces, not {part!r}"
            raise InvalidStampError(message)
    if ":" in extension:
        message = f"the extension must not hold a colon: {extension!r}"
        raise InvalidStampError(message)
    if not resource:
        message = "the resource must not be empty"
        raise InvalidStampError(message)
    random = "".join(secrets.choice(_COUNTER.decode()) for _ in range(_RANDOM_LENGTH))
    return Stamp(bits, date, resource, extension, random, "")


def continued(stamp: Stamp, earlier: Stamp, *, any_date: bool) -> Stamp:
    """Return `earlier` if it differs from the new `stamp` only by its random part, else `stamp`.

    With `any_date` it may be of another date as well.
    """
    date = earlier.date if any_date else stamp.date
    same = replace(stamp, date=date, random=earlier.random) == earlier
    return earlier if same else stamp


def counter_query(stamp: Stamp) -> Query:
    """Return the search for the counter of a stamp that has none."""
    return zero_bits(
        Algorithm.SHA1,
        stamp.bits,
        prefix=str(stamp).encode(),
        keyspace=Keyspace(_COUNTER, _COUNTER_LENGTH),
    )
