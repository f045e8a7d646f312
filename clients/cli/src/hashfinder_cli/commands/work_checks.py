"""The checks of proofs of work. They need no server."""

import typer

from hashfinder_cli.commands.work import read_event
from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.jobs.hashcash import InvalidStampError, Stamp
from hashfinder_cli.jobs.zero_bits import count_zero_bits
from hashfinder_cli.options.work import Challenge


def check_hashcash(text: str, bits: int | None, resource: str | None) -> ExitCode:
    """Print a stamp's zero bits; return FOUND if it has those that it claims and are required.

    Raises:
        typer.BadParameter: it is no stamp.
    """
    try:
        stamp = Stamp.parse(text)
    except InvalidStampError as error:
        raise typer.BadParameter(str(error), param_hint="STAMP") from None
    if resource is not None and stamp.resource != resource:
        print(f"the stamp is for {stamp.resource!r}")
        return ExitCode.FAULT
    return _judge(stamp.value, stamp.bits, bits)


def check_nostr(path: str, bits: int | None) -> ExitCode:
    """Say what an event is worth, likewise.

    Raises:
        typer.BadParameter: the file has no event.
    """
    event = read_event(path)
    if event.stated_id not in {None, event.id}:
        print(f"the event's id is {event.id}, not {event.stated_id}")
        return ExitCode.FAULT
    if event.target is None:
        print(f"{event.zero_bits} zero bits, but no nonce tag that promises any")
        return ExitCode.FAULT
    return _judge(event.zero_bits, event.target, bits)


def check_answer(text: str, challenge: Challenge) -> ExitCode:
    """Say what an answer to a challenge is worth; return FOUND if it has the zeros, else FAULT."""
    digest = challenge.hash_algorithm.digest(challenge.message(text))
    value = count_zero_bits(digest, trailing=challenge.trailing)
    print(f"{value} zero bits, {challenge.zero_bits} asked for")
    return ExitCode.FOUND if value >= challenge.zero_bits else ExitCode.FAULT


def _judge(value: int, promised: int, wanted: int | None) -> ExitCode:
    print(f"{value} zero bits, {promised} promised")
    return ExitCode.FOUND if value >= promised >= (wanted or 0) else ExitCode.FAULT
