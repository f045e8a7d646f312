"""The options of commands for the operator of a server."""

from dataclasses import dataclass
from typing import Annotated

import typer

from hashfinder_cli.options import checks

INTERVALS = (0.1, 60.0)
"""Seconds between two refreshes: the shortest and the longest that the contract allows."""


def _check_interval(value: float) -> float:
    shortest, longest = INTERVALS
    if not shortest <= value <= longest:
        message = f"must be {shortest:g} to {longest:g} seconds, not {value:g}"
        raise typer.BadParameter(message)
    return value


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Which searches are shown, and how."""

    client: Annotated[
        str,
        typer.Option(
            metavar="C",
            callback=checks.check_text,
            help="Only the searches of this client, as the list names it.",
        ),
    ] = ""
    as_json: Annotated[
        bool, typer.Option("--json", help="Write a line of JSON for each search, once.")
    ] = False
    once: Annotated[
        bool, typer.Option("--once", help="Show the table once, also on a terminal.")
    ] = False
    interval: Annotated[
        float,
        typer.Option(metavar="S", callback=_check_interval, help="Refresh every S seconds."),
    ] = 1.0
