"""The options of proofs of work."""

from dataclasses import dataclass
from typing import Annotated

import typer

from hashfinder_cli.options import checks

MOST_BITS = 160
"""The bits of a SHA-1; of Nostr's SHA-256, more are out of reach anyhow."""


@dataclass(frozen=True, kw_only=True)
class Bits:
    """How much work."""

    bits: Annotated[
        int,
        typer.Option(
            metavar="N",
            callback=checks.between(1, MOST_BITS),
            show_default=False,
            help="Zero bits, not hex digits, that the hash begins with.",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Hashcash:
    """What a stamp is for."""

    resource: Annotated[
        str,
        typer.Argument(
            metavar="RESOURCE",
            callback=checks.check_text,
            show_default=False,
            help="What the stamp is for, such as an address.",
        ),
    ]
    date: Annotated[
        str | None,
        typer.Option(
            metavar="YYMMDD[hhmm[ss]]", callback=checks.check_text, help="Its date; else today."
        ),
    ] = None
    extension: Annotated[
        str, typer.Option(metavar="TEXT", callback=checks.check_text, help="Its extension.")
    ] = ""
