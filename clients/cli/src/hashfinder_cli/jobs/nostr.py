"""Proof of work of Nostr events (NIP-13): a nonce that makes the id begin with zero bits.

An id is the SHA-256 of ``[0,pubkey,created_at,kind,tags,content]`` as compact JSON (NIP-01).
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Any, Self

from hashfinder_cli.jobs.zero_bits import count_zero_bits, zero_bits
from hashfinder_rules.keyspace import Keyspace
from hashfinder_rules.query import Query
from hashfinder_rules.scheme import Algorithm

_DIGITS = b"0123456789"
_NONCE_LENGTH = 20
"""Places that make more than 2^64 nonces."""
_NONCE = "nonce"
_HEX_64 = re.compile(r"[0-9a-f]{64}")
_LARGEST_KIND = 65_535


class InvalidEventError(ValueError):
    """The JSON is not an event, or an event without what is asked for."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event that is not signed yet."""

    pubkey: str
    created_at: int
    kind: int
    tags: tuple[tuple[str, ...], ...]
    content: str
    stated_id: str | None = None
    """The id that the JSON has; `id` is the one that the event has."""

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Take an event from JSON; its signature, if any, does not count.

        Raises:
            InvalidEventError: with the field that is wrong and what is allowed.
        """
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            message = f"the event is not JSON: {error}"
            raise InvalidEventError(message) from error
        if not isinstance(fields, dict):
            message = "the event must be a JSON object"
            raise InvalidEventError(message)
        pubkey: Any = fields.get("pubkey")
        tags: Any = fields.get("tags")
        content: Any = fields.get("content")
        _check(
            "pubkey", "64 hex digits in lower case", _is_text(pubkey) and _HEX_64.fullmatch(pubkey)
        )
        for name, largest in (("created_at", 2**53), ("kind", _LARGEST_KIND)):
            number: Any = fields.get(name)
            is_number = isinstance(number, int) and not isinstance(number, bool)
            _check(
                name, f"a whole number from 0 to {largest}", is_number and 0 <= number <= largest
            )
        _check("content", "text", _is_text(content))
        is_tags = isinstance(tags, list) and all(
            isinstance(tag, list) and tag and all(map(_is_text, tag)) for tag in tags
        )
        _check("tags", "a list of lists of text", is_tags)
        stated = str(fields["id"]) if "id" in fields else None
        created_at, kind = fields["created_at"], fields["kind"]
        return cls(pubkey, created_at, kind, tuple(map(tuple, tags)), content, stated)

    @property
    def id(self) -> str:
        """The event's id, 64 hex digits."""
        return self._digest.hex()

    @property
    def zero_bits(self) -> int:
        """How many zero bits the id begins with."""
        return count_zero_bits(self._digest)

    @property
    def target(self) -> int | None:
        """How many bits the nonce tag commits to; None without a valid one."""
        for name, *values in self.tags:
            if name == _NONCE and len(values) > 1 and re.fullmatch(r"[0-9]{1,3}", values[1]):
                return int(values[1])
        return None

    def with_nonce(self, nonce: str, bits: int) -> Self:
        """Return the event with one nonce tag, the last of its tags, that commits to `bits`."""
        others = tuple(tag for tag in self.tags if tag[0] != _NONCE)
        tags = (*others, (_NONCE, nonce, str(bits)))
        return replace(self, tags=tags, stated_id=None)

    def nonce_query(self, bits: int) -> Query:
        """Return the search for a nonce that gives the id `bits` leading zero bits."""
        # The nonce tag is the last tag, so that all behind the nonce is known.
        suffix = f'","{bits}"]],{_compact(self.content)}]'.encode()
        prefix = self.with_nonce("", bits).serialized().removesuffix(suffix)
        return zero_bits(
            Algorithm.SHA256,
            bits,
            prefix=prefix,
            suffix=suffix,
            keyspace=Keyspace(_DIGITS, _NONCE_LENGTH),
        )

    def serialized(self) -> bytes:
        """Return what the id is the hash of."""
        fields = [0, self.pubkey, self.created_at, self.kind, self.tags, self.content]
        return _compact(fields).encode()

    def to_json(self) -> str:
        """Return the event with its id, to be signed."""
        return _compact(
            {
                "id": self.id,
                "pubkey": self.pubkey,
                "created_at": self.created_at,
                "kind": self.kind,
                "tags": self.tags,
                "content": self.content,
            }
        )

    @property
    def _digest(self) -> bytes:
        return Algorithm.SHA256.digest(self.serialized())


def _compact(value: Any) -> str:  # noqa: ANN401  # whatever JSON can hold
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_text(value: object) -> bool:
    """Return whether `value` is text that can be written as UTF-8: without lone surrogates."""
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def _check(field: str, allowed: str, is_valid: object) -> None:
    if not is_valid:
        message = f"the event's {field} must be {allowed}"
        raise InvalidEventError(message)
