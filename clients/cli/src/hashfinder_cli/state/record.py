"""What the file says, and how: JSON with a version and a checksum."""

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from hashfinder_cli.state.identity import Identity
from hashfinder_client.checkpoint import Checkpoint, RangeCheckpoint

_VERSION = 1
_FORMAT = "hashfinder_state"


class InvalidStateError(ValueError):
    """The file is not a state, or of another version."""


@dataclass(frozen=True, slots=True)
class Record:
    """How far a search has come."""

    found: tuple[int, ...] = ()
    """The positions of the ideal matches so far."""
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    """Of the search for the next match, which begins after the last one."""


def to_bytes(search: Identity, record: Record) -> bytes:
    """Return the content of the file."""
    progress = asdict(record)
    members = {
        _FORMAT: _VERSION,
        "sha256": _checksum(search, progress),
        "search": search,
        "progress": progress,
    }
    return json.dumps(members, indent=1).encode() + b"\n"


def from_bytes(content: bytes) -> tuple[Identity, Record]:
    """Return the search and how far it has come.

    Raises:
        InvalidStateError: the content is not what `to_bytes` returns.
    """
    try:
        members: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        message = "it is not a state that hashfinder wrote"
        raise InvalidStateError(message) from error
    if not isinstance(members, dict) or _FORMAT not in members:
        message = "it is not a state that hashfinder wrote"
        raise InvalidStateError(message)
    if members[_FORMAT] != _VERSION:
        message = f"it has the version {members[_FORMAT]!r:.20}; this hashfinder reads {_VERSION}"
        raise InvalidStateError(message)
    search: Any = members.get("search")
    progress: Any = members.get("progress")
    if members.get("sha256") != _checksum(search, progress):
        message = "it is damaged: its checksum does not fit its content"
        raise InvalidStateError(message)
    checkpoint = progress["checkpoint"]
    ranges = tuple(
        RangeCheckpoint(each["number"], each["reached"], tuple(each["held"]))
        for each in checkpoint["ranges"]
    )
    return search, Record(tuple(progress["found"]), Checkpoint(**checkpoint | {"ranges": ranges}))


def _checksum(search: Any, progress: Any) -> str:  # noqa: ANN401  # whatever JSON can hold
    return sha256(json.dumps([search, progress], sort_keys=True).encode()).hexdigest()
