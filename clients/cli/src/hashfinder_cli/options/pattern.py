"""The options that say which hash is wanted."""

from dataclasses import dataclass
from typing import Annotated

import typer

from hashfinder_cli.options import checks


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """The name, and how near to it a hash must come."""

    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            callback=checks.check_text,
            show_default=False,
            help="What the hash is to contain, 1 to 28 characters; case does not matter.",
        ),
    ]
    ideal_distance: Annotated[
        int,
        typer.Option(
            metavar="D",
            callback=checks.check_int32,
            help="Take a hash that differs in up to D characters.",
        ),
    ] = 0
