"""The commands for the operator of a server: their options and their help."""

from typing import Annotated

import typer

from hashfinder_cli.options import checks
from hashfinder_cli.options.groups import ungrouped
from hashfinder_cli.options.operators import Shown
from hashfinder_cli.options.search import Connection

_Timeout = Annotated[
    float,
    typer.Option(
        metavar="S", callback=checks.check_seconds, help="Wait S seconds at most for an answer."
    ),
]


@ungrouped
def searches(*, connection: Connection, shown: Shown, timeout: _Timeout = 5.0) -> None:
    """Show the searches of all clients, as the operator of a server."""
    from hashfinder_cli.commands.searches import searches as run  # noqa: PLC0415 - takes time

    raise typer.Exit(run(connection, shown, timeout=timeout))


@ungrouped
def stop(
    *,
    connection: Connection,
    search_id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", show_default=False, callback=checks.check_text),
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(
            metavar="C",
            callback=checks.check_text,
            show_default=False,
            help="Stop all searches of this client, as the list names it.",
        ),
    ] = None,
    timeout: _Timeout = 5.0,
) -> None:
    """Stop the search ID, or all of a client, as the operator of a server."""
    if (search_id is None) == (client is None):
        message = "give either an ID or --client"
        raise typer.BadParameter(message)
    from hashfinder_cli.commands.stop import stop as run  # noqa: PLC0415 - likewise

    raise typer.Exit(run(connection, search_id=search_id, client=client, timeout=timeout))
