"""Proofs of work: stamps, events and answers whose hash has zero bits."""

import json
from dataclasses import replace

import typer

from hashfinder_cli.commands.find import find_match
from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.jobs.hashcash import (
    InvalidStampError,
    Stamp,
    blank,
    continued,
    counter_query,
)
from hashfinder_cli.jobs.nostr import Event, InvalidEventError
from hashfinder_cli.jobs.zero_bits import count_zero_bits, zero_bits
from hashfinder_cli.options.files import STDIN, read_bounded
from hashfinder_cli.options.flags import FLAGS, check
from hashfinder_cli.options.groups import words_of
from hashfinder_cli.options.jobs import JobShown
from hashfinder_cli.options.pattern import Pattern
from hashfinder_cli.options.search import JobConnection, Kept, Limits
from hashfinder_cli.options.work import Answers, Bits, Challenge, Hashcash
from hashfinder_cli.search import JobSearch
from hashfinder_cli.state.keeper import kept_stamp
from hashfinder_rules.query import Query

LARGEST_EVENT = 64 * 1024
"""Bytes of an event's file."""
_FLAGS = FLAGS | {
    "secret_prefix": "--prefix",
    "secret_suffix": "--suffix",
    "secret_length": "--length",
}


def hashcash(
    wanted: Hashcash,
    bits: Bits,
    connection: JobConnection,
    limits: Limits,
    kept: Kept,
    shown: JobShown,
) -> ExitCode:
    """Print a stamp; return the exit code.

    Raises:
        typer.BadParameter: a part of the stamp is invalid.
    """
    try:
        stamp = blank(wanted.resource, bits.bits, wanted.date, wanted.extension)
        if (text := kept_stamp(kept.state)) is not None:
            stamp = continued(stamp, Stamp.parse(text), any_date=wanted.date is None)
    except InvalidStampError as error:
        raise typer.BadParameter(str(error)) from None
    query = counter_query(stamp)
    # No words: without a state file, another run makes another stamp.
    search = _search(query, bits.bits, connection, limits, kept, shown)
    code, match = find_match(replace(search, stamp=str(stamp)))
    if match is not None:
        text = query.message(match.secret).decode()
        print(json.dumps({"type": "stamp", "stamp": text}) if shown.as_json else text)
    return code


def nostr(
    path: str, bits: Bits, connection: JobConnection, limits: Limits, kept: Kept, shown: JobShown
) -> ExitCode:
    """Print the event of a file with its nonce tag and id; return the exit code.

    Raises:
        typer.BadParameter: the file has no event.
    """
    event = read_event(path)
    query = event.nonce_query(bits.bits)
    words = () if path == STDIN else ("hashfinder", "pow", "nostr", path, *words_of(bits, shown))
    search = _search(query, bits.bits, connection, limits, kept, shown, words)
    code, match = find_match(search)
    if match is not None:
        print(event.with_nonce(match.secret.decode(), bits.bits).to_json())
    return code


def answer(
    challenge: Challenge,
    answers: Answers,
    connection: JobConnection,
    limits: Limits,
    kept: Kept,
    shown: JobShown,
) -> ExitCode:
    """Print an answer to a challenge; return the exit code.

    Raises:
        typer.BadParameter: an option has a value that no server takes.
    """
    query = zero_bits(
        challenge.hash_algorithm,
        challenge.zero_bits,
        prefix=challenge.prefix.encode(),
        suffix=challenge.suffix.encode(),
        keyspace=answers.keyspace,
        trailing=challenge.trailing,
    )
    check(query, _FLAGS)
    if limits.start_position is None and answers.length is None:
        limits = replace(limits, start_position=1)  # The secret at 0 is empty: it looks like none.
    words = ("hashfinder", "pow", "bits", *words_of(challenge, answers, shown))
    search = _search(query, challenge.zero_bits, connection, limits, kept, shown, words)
    code, match = find_match(search)
    if match is not None:
        text = match.secret.decode()
        digest = challenge.hash_algorithm.digest(challenge.message(text))
        members = {
            "type": "answer",
            "answer": text,
            "message": challenge.message(text).decode(),
            "algorithm": challenge.algorithm,
            "digest_hex": digest.hex(),
            "zero_bits": count_zero_bits(digest, trailing=challenge.trailing),
        }
        print(json.dumps(members) if shown.as_json else text)
    return code


def read_event(path: str) -> Event:
    """Return the event of a file, or of stdin.

    Raises:
        typer.BadParameter: it has none.
    """
    try:
        return Event.parse(read_bounded(path, LARGEST_EVENT, "EVENT", or_stdin=True))
    except InvalidEventError as error:
        raise typer.BadParameter(str(error), param_hint="EVENT") from None


def _search(
    query: Query,
    bits: int,
    connection: JobConnection,
    limits: Limits,
    kept: Kept,
    shown: JobShown,
    words: tuple[str, ...] = (),
) -> JobSearch:
    return JobSearch(
        Pattern(name=f"{bits} zero bits"),
        connection,
        limits,
        shown=shown.shown,
        kept=kept,
        job=query,
        words=words,
    )
