"""The command line: commands and help. What is slow to import waits for its turn."""

from importlib.metadata import version
from typing import Annotated

import typer

from hashfinder_cli.app_operators import SEARCHES_EPILOG, STOP_EPILOG, searches, stop
from hashfinder_cli.app_pow import work
from hashfinder_cli.exit_codes import EPILOG
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

_FIND_EPILOG = f"""\
\b
Examples:
  hashfinder find doctor
  hashfinder find doctor --local
  hashfinder find doctor --show-inferior 1 --json
  hashfinder find doctors --resume --progress --timeout 600
  hashfinder find doctorwho --server dns:///hashfinder.example:50051 --shards 6
  hashfinder find c0ffee --encoding hex --anchor start --secret-prefix "tree " --alphabet alnum
  hashfinder find --zero-bits 20 --algorithm sha256 --secret-prefix challenge: --alphabet digits
  hashfinder find do?tor --wildcard ? --count 3
  hashfinder find doctorwho --state search.state

Results go to stdout, everything else to stderr. Into a pipe or a file each result is one line:
distance, position, secret (base64) and hash, separated by tabs; then, in a search that is not the
default one of SHA-1 in base64, the secret as text, empty if it is not printable. With --json
each line is an object of type "result", "progress" (with --progress) or, the last one, "end", which
has the exit code, the reason and the position to resume from. Positions and other 64-bit numbers
come twice: as a number, and as text under the same name with _text, for programs that round
numbers above 2^53.

--local starts hashfinder-server for this command alone, on a unix socket that only you can reach,
and leaves nothing behind, however the command ends.

--shards and --shard cut the positions into ranges of --range-size, counted from --start-position,
and continue as --resume does. --shards returns the first match, as one server would; the position
that it reports on Ctrl-C is the one number to resume from. --shard is for processes that know
nothing of each other: the first of them to find has a match, not always the one of the lowest
position.

With --state, FILE is written every two seconds and at the end, and has the matches so far: a search
that has ended is printed again, not searched again. FILE of another search is refused.

{EPILOG}
"""

_VANITY_EPILOG = f"""\
\b
Examples:
  hashfinder git-vanity c0ffee
  hashfinder git-vanity c0ffee --apply
  hashfinder git-vanity 0000 --check && git push
  hashfinder git-vanity cafe --anchor end --commit feature --repo ../other

What varies is an extra header of the commit, "nonce", or, where the message is long, a last line
of spaces and tabs. Signed commits are refused. --apply moves the branch only if it has not moved
meanwhile, and prints the command that moves it back. With --check, exit 0 if the id has PATTERN,
else 1.

{EPILOG}
"""

app = typer.Typer(
    epilog=EPILOG,
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


@app.command(epilog=_FIND_EPILOG)
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


@app.command(epilog=EPILOG)
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


@app.command("git-vanity", epilog=_VANITY_EPILOG)
@ungrouped
def git_vanity(
    *, vanity: Vanity, connection: JobConnection, limits: Limits, kept: Kept, shown: JobShown
) -> None:
    """Give a commit an id that matches PATTERN; a dry run unless --apply is given.

    Author, dates, tree, parents and message stay. The search continues after a lost connection.
    """
    from hashfinder_cli.commands.git_vanity import git_vanity as run  # noqa: PLC0415 - likewise

    raise typer.Exit(run(vanity, connection, limits, kept, shown))


@app.command(epilog=EPILOG)
@ungrouped
def health(
    *,
    connection: Connection,
    service: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            callback=checks.check_text,
            help="A service by its full name; else the whole server.",
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


@app.command(epilog=EPILOG)
@ungrouped
def tour(*, connection: Connection) -> None:
    """Show what a server can do: finds, streams, Ctrl-C, a budget, a deadline, a refusal.

    Takes less than a minute; exit 0 if every search ended as it should.
    """
    from hashfinder_cli.commands.tour import tour as run  # noqa: PLC0415 - likewise

    raise typer.Exit(run(connection))


app.command(epilog=SEARCHES_EPILOG)(searches)
app.command(epilog=STOP_EPILOG)(stop)
