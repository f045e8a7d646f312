"""Results, progress and the end as lines of JSON.

Numbers of 64 bits come twice: as a number, and as text under the same name with ``_text``.
JavaScript, jq before 1.7 and others read numbers above 2^53 as the nearest float; the JSON mapping
of protobuf writes text for that reason. The number stays for programs that compute with it.
"""

import json
from dataclasses import dataclass

from hashfinder_cli.view.ending import Ending
from hashfinder_cli.view.text import as_text
from hashfinder_client.events import Match, Progress
from hashfinder_client.query import Query


@dataclass(frozen=True, slots=True)
class Finding:
    """A match in its search."""

    query: Query
    """What it is a match of."""
    match: Match
    is_ideal: bool
    """Whether it is within the ideal distance, so that it ends the search."""
    seconds: float
    """The time since the search began."""
    rate: float | None
    """Positions per second until here, about; None where it is not known."""

    @property
    def digest(self) -> bytes:
        """The hash of the whole message."""
        message = self.query.rules.message(self.match.secret)
        return self.query.scheme.algorithm.digest(message)


def result_line(finding: Finding, *, is_brief: bool = False) -> str:
    """Return the line of a result; a brief one has the secret in base64 alone."""
    match = _match(finding.match)
    if is_brief:
        match |= {"secret_hex": None, "secret_text": None}
    return _line(
        "result",
        **match,
        **_scheme(finding),
        is_ideal=finding.is_ideal,
        elapsed_seconds=round(finding.seconds, 3),
    )


def progress_line(progress: Progress) -> str:
    """Return the line of a report."""
    return _line(
        "progress",
        **_exact("hashes_computed", progress.hashes),
        **_exact("next_position", progress.next_position),
        hashes_per_second=progress.rate,
        best_candidate=_match(progress.best) if progress.best else None,
        chance=progress.chance,
    )


def end_line(ending: Ending) -> str:
    """Return the line of the end."""
    return _line(
        "end",
        exit_code=int(ending.code),
        status=ending.status or None,
        reason=ending.reason or None,
        message=ending.sentence,
        **_exact("next_position", ending.next_position),
        best_candidate=_match(ending.best) if ending.best else None,
        retry_after_seconds=ending.retry_after,
        request_id=ending.request_id or None,
        kernel=ending.kernel or None,
    )


def _line(kind: str, **members: object) -> str:
    return json.dumps({"type": kind, **members}) + "\n"


def _match(match: Match) -> dict[str, object]:
    return {
        "secret": match.secret_text,
        "secret_hex": match.secret.hex(),
        "secret_text": as_text(match.secret),
        "hashed_name": match.hashed_name,
        "distance": match.distance,
        **_exact("position", match.position),
    }


def _scheme(finding: Finding) -> dict[str, object]:
    """Return how the hash was made, where that is not the classic way."""
    if finding.query.is_classic:
        return {}
    scheme = finding.query.scheme
    return {
        "algorithm": scheme.algorithm.name.lower(),
        "encoding": scheme.encoding.name.lower(),
        "digest_hex": finding.digest.hex(),
    }


def _exact(name: str, value: int | None) -> dict[str, object]:
    return {name: value, f"{name}_text": None if value is None else str(value)}
