"""The command line: commands and help. What is slow to import waits for its turn."""

from importlib.metadata import version
from typing import Annotated

import typer

from hashfinder_cli import help_ends
from hashfinder_cli.app_operators import searches, stop
from hashfinder_cli.app_pow import work
from hashfinder_cli.options import checks
from hashfinder_cli.options.groups import ungrouped
from hashfinder_cli.options.jobs import JobShown
from hashfinder_cli.options.pattern import Pattern
from hashfinder_cli.options.search import (
    Connection,
    JobConnection,
    Kept,
    Limits,
    Ranges,
    SearchConnection,
    Shown,
    Wanted,
)
from hashfinder_cli.options.secrets import Secrets
from hashfinder_cli.options.vanity import Vanity

app = typer.Typer(
    epilog=help_ends.WHOLE,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(work, name="pow")


def _print_version(context: typer.Context, is_asked: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if is_asked and not context.resilient_parsing:
        typer.echo(f"hashfinder {version('hashfinder-cli')}")
        raise typer.Exit


@app.callback()
def hashfinder(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Find byte strings whose hash resembles a name: SHA-1 in base64, unless asked otherwise."""


@app.command(epilog=help_ends.FIND)
@ungrouped
def find(
    *,
    pattern: Pattern,
    secrets: Secrets,
    wanted: Wanted,
    connection: SearchConnection,
    limits: Limits,
    ranges: Ranges,
    kept: Kept,
    shown: Shown,
) -> None:
    """Find a byte string whose hash contains NAME.

    Ctrl-C cancels the search on the server; after --progress or --resume it reports how to resume.
    With --resume, --maximum-hashes and --timeout bound the search as a whole.
    """
    from hashfinder_cli.commands.find import find as run  # noqa: PLC0415 - gRPC takes time to import
    from hashfinder_cli.search import Search  # noqa: PLC0415 - likewise

    search = Search(pattern, connection, limits, ranges, shown, secrets, wanted, kept)
    raise typer.Exit(run(search))


@app.command(epilog=help_ends.ESTIMATE)
@ungrouped
def estimate(
    *,
    pattern: Pattern,
    secrets: Secrets,
    connection: SearchConnection,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="S",
            callback=checks.check_seconds,
            help="Wait S seconds at most for an answer.",
        ),
    ] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Write a line of JSON.")] = False,
) -> None:
    """Tell how probable a result is, how many hashes it takes, and how long that is here.

    Searches nothing.
    """
    from hashfinder_cli.commands.estimate import estimate as run  # noqa: PLC0415 - likewise
    from hashfinder_cli.search import Search  # noqa: PLC0415 - likewise

    search = Search(pattern, connection, shown=Shown(as_json=as_json), secrets=secrets)
    raise typer.Exit(run(search, timeout=timeout))


@app.command("git-vanity", epilog=help_ends.GIT_VANITY)
@ungrouped
def git_vanity(
    *, vanity: Vanity, connection: JobConnection, limits: Limits, kept: Kept, shown: JobShown
) -> None:
    """Give a commit an id that matches PATTERN; a dry run unless --apply is given.

    Author, dates, tree, parents and message stay. The search continues after a lost connection.
    """
    from hashfinder_cli.commands.git_vanity import git_vanity as run  # noqa: PLC0415 - likewise

    raise typer.Exit(run(vanity, connection, limits, kept, shown))


@app.command(epilog=help_ends.HEALTH)
@ungrouped
def health(
    *,
    connection: Connection,
    service: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            callback=checks.check_text,
            help="A service by its full name; by default the whole server.",
        ),
    ] = "",
    timeout: Annotated[
        float,
        typer.Option(
            metavar="S",
            callback=checks.check_seconds,
            help="Wait S seconds at most for an answer.",
        ),
    ] = 5.0,
    wait: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            callback=checks.check_seconds,
            show_default=False,
            help="Ask again until it is SERVING, for S seconds at most.",
        ),
    ] = None,
) -> None:
    """Tell whether the server is ready: exit 0 if it is SERVING, 5 if not."""
    from hashfinder_cli.commands.health import health as run  # noqa: PLC0415 - likewise

    raise typer.Exit(run(connection, service, timeout=timeout, wait=wait))


@app.command(epilog=help_ends.TOUR)
@ungrouped
def tour(*, connection: SearchConnection) -> None:
    """Show what a server can do: finds, streams, Ctrl-C, a budget, a deadline, a refusal.

    Takes less than a minute; exit 0 if every search ended as it should.
    """
    from hashfinder_cli.commands.tour import tour as run  # noqa: PLC0415 - likewise

    raise typer.Exit(run(connection))


app.command(epilog=help_ends.SEARCHES)(searches)
app.command(epilog=help_ends.STOP)(stop)
