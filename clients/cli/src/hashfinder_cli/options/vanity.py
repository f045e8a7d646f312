"""The options of a vanity commit."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from hashfinder_cli.options import checks

LONGEST_PATTERN = 64
"""Hex digits of the longest id, a SHA-256."""
_PATTERN = re.compile(r"[0-9a-fA-F_]+", re.ASCII)


def _check_pattern(value: str) -> str:
    if not _PATTERN.fullmatch(value) or not value.strip("_"):
        message = f"must be hex digits, and _ for any digit, with at least one digit, not {value!r}"
        raise typer.BadParameter(message)
    if len(value) > LONGEST_PATTERN:
        message = f"must have 1 to {LONGEST_PATTERN} digits, not {len(value)}"
        raise typer.BadParameter(message)
    return value


@dataclass(frozen=True, kw_only=True)
class Vanity:
    """Which commit gets which id, and what happens to it."""

    pattern: Annotated[
        str,
        typer.Argument(
            metavar="PATTERN",
            callback=_check_pattern,
            show_default=False,
            help="Hex digits that the id begins with; _ stands for any digit.",
        ),
    ]
    repo: Annotated[
        str,
        typer.Option(metavar="DIR", callback=checks.check_text, help="A folder of the repository."),
    ] = "."
    commit: Annotated[
        str,
        typer.Option(
            metavar="REV", callback=checks.check_text, help="A branch, or the commit at its tip."
        ),
    ] = "HEAD"
    anchor: Annotated[
        Literal["start", "end"], typer.Option(help="Where in the id PATTERN stands.")
    ] = "start"
    place: Annotated[
        Literal["auto", "header", "message"],
        typer.Option(
            help="Vary an extra header, or white space behind the message; auto takes the header"
            " where what follows it is short."
        ),
    ] = "auto"
    apply: Annotated[
        bool, typer.Option("--apply", help="Move the branch to the new commit; else a dry run.")
    ] = False
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Search nothing: exit 0 if the id has PATTERN already, else 1."
        ),
    ] = False
