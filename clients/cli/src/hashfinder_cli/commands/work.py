"""Proofs of work: a stamp or an event whose hash begins with zero bits, made and checked."""

import json
import sys
from pathlib import Path

import typer

from hashfinder_cli.commands.find import find_match
from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.jobs.hashcash import InvalidStampError, Stamp, blank, counter_query
from hashfinder_cli.jobs.nostr import Event, InvalidEventError
from hashfinder_cli.options.jobs import JobShown
from hashfinder_cli.options.pattern import Pattern
from hashfinder_cli.options.search import Connection, Limits
from hashfinder_cli.options.work import Bits, Hashcash
from hashfinder_cli.search import JobSearch
from hashfinder_client.events import Match
from hashfinder_rules.query import Query

LARGEST_EVENT = 64 * 1024
"""Bytes of an event's file."""


def hashcash(
    wanted: Hashcash, bits: Bits, connection: Connection, limits: Limits, shown: JobShown
) -> ExitCode:
    """Print a stamp; return the exit code.

    Raises:
        typer.BadParameter: a part of the stamp is invalid.
    """
    try:
        stamp = blank(wanted.resource, bits.bits, wanted.date, wanted.extension)
    except InvalidStampError as error:
        raise typer.BadParameter(str(error)) from None
    query = counter_query(stamp)
    code, match = _search(query, bits, connection, limits, shown)
    if match is not None:
        _print(query.message(match.secret).decode(), "stamp", shown)
    return code


def nostr(
    path: str, bits: Bits, connection: Connection, limits: Limits, shown: JobShown
) -> ExitCode:
    """Print the event of a file with its nonce tag and id; return the exit code.

    Raises:
        typer.BadParameter: the file has no event.
    """
    event = _read_event(path)
    code, match = _search(event.nonce_query(bits.bits), bits, connection, limits, shown)
    if match is not None:
        print(event.with_nonce(match.secret.decode(), bits.bits).to_json())
    return code


def check_hashcash(text: str, bits: int | None) -> ExitCode:
    """Say what a stamp is worth; return FOUND if that is what it promises, and `bits`, else FAULT.

    Raises:
        typer.BadParameter: it is no stamp.
    """
    try:
        stamp = Stamp.parse(text)
    except InvalidStampError as error:
        raise typer.BadParameter(str(error), param_hint="STAMP") from None
    return _judge(stamp.value, stamp.bits, bits)


def check_nostr(path: str, bits: int | None) -> ExitCode:
    """Say what an event is worth; return FOUND if that is what it commits to, and `bits`.

    Raises:
        typer.BadParameter: the file has no event.
    """
    event = _read_event(path)
    return _judge(event.zero_bits, event.target or 0, bits)


def _search(
    query: Query, bits: Bits, connection: Connection, limits: Limits, shown: JobShown
) -> tuple[ExitCode, Match | None]:
    search = JobSearch(
        Pattern(name=f"{bits.bits} zero bits"),
        connection,
        limits,
        shown=shown.shown,
        job=query,
    )
    return find_match(search)


def _judge(value: int, promised: int, wanted: int | None) -> ExitCode:
    print(f"{value} zero bits, {promised} promised")
    return ExitCode.FOUND if value >= promised >= (wanted or 0) else ExitCode.FAULT


def _read_event(path: str) -> Event:
    try:
        with Path(path).open("rb") if path != "-" else sys.stdin.buffer as file:
            content = file.read(LARGEST_EVENT + 1)
    except (OSError, ValueError) as error:
        message = f"cannot read {path!r}: {getattr(error, 'strerror', None) or error}"
        raise typer.BadParameter(message, param_hint="EVENT") from None
    if len(content) > LARGEST_EVENT:
        message = f"must have at most {LARGEST_EVENT} bytes; {path!r} has more"
        raise typer.BadParameter(message, param_hint="EVENT")
    try:
        return Event.parse(content)
    except InvalidEventError as error:
        raise typer.BadParameter(str(error), param_hint="EVENT") from None


def _print(text: str, kind: str, shown: JobShown) -> None:
    print(json.dumps({"type": kind, kind: text}) if shown.as_json else text)
