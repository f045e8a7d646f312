"""The commands of `hashfinder pow`: what they are called, their options and their help."""

from typing import Annotated

import typer

from hashfinder_cli import help_ends
from hashfinder_cli.options import checks
from hashfinder_cli.options.groups import ungrouped
from hashfinder_cli.options.jobs import JobShown
from hashfinder_cli.options.search import JobConnection, Kept, Limits
from hashfinder_cli.options.work import (
    Answers,
    Bits,
    Challenge,
    EventFile,
    Hashcash,
    MinimumBits,
)

work = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=help_ends.POW,
    help="Proofs of work: hashes that begin, or end, with zero bits.",
)
check = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=help_ends.CHECK,
    help="Verify a proof of work offline. Whether it was spent before is for its receiver to know.",
)
work.add_typer(check, name="check")


@work.command(epilog=help_ends.HASHCASH)
@ungrouped
def hashcash(
    *,
    wanted: Hashcash,
    bits: Bits,
    connection: JobConnection,
    limits: Limits,
    kept: Kept,
    shown: JobShown,
) -> None:
    """Print a hashcash stamp, version 1, for RESOURCE."""
    from hashfinder_cli.commands.work import hashcash as run  # noqa: PLC0415 - gRPC takes time to import

    raise typer.Exit(run(wanted, bits, connection, limits, kept, shown))


@work.command(epilog=help_ends.NOSTR)
@ungrouped
def nostr(
    *,
    event: EventFile,
    bits: Bits,
    connection: JobConnection,
    limits: Limits,
    kept: Kept,
    shown: JobShown,
) -> None:
    """Print an unsigned Nostr EVENT with its nonce tag and id (NIP-13). Sign it afterwards."""
    from hashfinder_cli.commands.work import nostr as run  # noqa: PLC0415 - likewise

    raise typer.Exit(run(event, bits, connection, limits, kept, shown))


@work.command(epilog=help_ends.BITS)
@ungrouped
def bits(
    *,
    challenge: Challenge,
    answers: Answers,
    connection: JobConnection,
    limits: Limits,
    kept: Kept,
    shown: JobShown,
) -> None:
    """Print an answer: text such that the hash of prefix, answer and suffix has zero bits."""
    from hashfinder_cli.commands.work import answer as run  # noqa: PLC0415 - likewise

    raise typer.Exit(run(challenge, answers, connection, limits, kept, shown))


@check.command("hashcash", epilog=help_ends.CHECK)
def check_hashcash(
    stamp: Annotated[
        str, typer.Argument(metavar="STAMP", show_default=False, callback=checks.check_text)
    ],
    bits: MinimumBits = None,
    resource: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            show_default=False,
            callback=checks.check_text,
            help="Require a stamp for TEXT.",
        ),
    ] = None,
) -> None:
    """Tell what a stamp is worth. Its date is shown by the stamp, and not judged."""
    from hashfinder_cli.commands.work_checks import check_hashcash as run  # noqa: PLC0415 - likewise

    raise typer.Exit(run(stamp, bits, resource))


@check.command("nostr", epilog=help_ends.CHECK)
def check_nostr(event: EventFile, bits: MinimumBits = None) -> None:
    """Tell what an event's id is worth; the id, where there is one, must be true."""
    from hashfinder_cli.commands.work_checks import check_nostr as run  # noqa: PLC0415 - likewise

    raise typer.Exit(run(event, bits))


@check.command("bits", epilog=help_ends.CHECK)
@ungrouped
def check_bits(
    *,
    answer: Annotated[
        str, typer.Argument(metavar="ANSWER", show_default=False, callback=checks.check_text)
    ],
    challenge: Challenge,
) -> None:
    """Tell whether ANSWER, hashed between prefix and suffix, has the zeros."""
    from hashfinder_cli.commands.work_checks import check_answer as run  # noqa: PLC0415 - likewise

    raise typer.Exit(run(answer, challenge))
