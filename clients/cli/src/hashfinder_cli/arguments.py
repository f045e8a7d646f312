"""The command line: commands and help. What is slow to import waits for its turn."""

from importlib.metadata import version
from typing import Annotated

import typer

from hashfinder_cli.exit_codes import MEANINGS
from hashfinder_cli.options import (
    Distance,
    Hashes,
    InferiorDistance,
    Interval,
    Name,
    Position,
    RangeSize,
    ResultFile,
    Retries,
    Server,
    Shard,
    Shards,
    Timeout,
    Wait,
)

# \b keeps the lines of a paragraph as they are.
_EXIT_CODES = "\n".join(
    ["\b", "Exit codes:", *(f"{code:5}  {MEANINGS[code]}" for code in MEANINGS)]
)
_FIND_EPILOG = f"""\
Results go to stdout, everything else to stderr. Into a pipe or a file each result is one line:
distance, position, secret (base64) and hash, separated by tabs. With --json each line is an object
of type "result", "progress" (with --progress) or, the last one, "end", which has the exit code, the
reason and the position to go on from.

--shards and --shard cut the positions into ranges of --range-size, counted from --start-position,
and go on as --resume does. --shards returns the first match, as one server would; the position that
it tells on Ctrl-C is the one number to go on from. --shard is for processes that know nothing of
each other: the first of them to find has a match, not always the one of the lowest position.

{_EXIT_CODES}
"""

app = typer.Typer(
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _pair(shard: str | None) -> tuple[int, int] | None:
    if shard is None:
        return None
    index, _, count = shard.partition("/")
    return int(index), int(count)


def _print_version(is_asked: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if is_asked:
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
    """Find byte strings whose SHA-1, written in base64, resembles a name."""


@app.command(epilog=_FIND_EPILOG)
def find(  # noqa: PLR0913 - every option is an argument
    *,
    name: Name,
    ideal_distance: Distance = 0,
    show_inferior: InferiorDistance = None,
    progress: Annotated[
        bool, typer.Option("--progress", help="Show how far the search has come.")
    ] = False,
    progress_interval: Interval = None,
    server: Server = "127.0.0.1:50051",
    maximum_hashes: Hashes = None,
    start_position: Position = None,
    timeout: Timeout = None,
    resume: Annotated[
        bool,
        typer.Option(
            help="Go on after a budget, a quota, a shutdown or a lost connection, until found."
        ),
    ] = False,
    retry: Retries = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write lines of JSON.")] = False,
    shards: Shards = None,
    shard: Shard = None,
    range_size: RangeSize = None,
    result_file: ResultFile = None,
) -> None:
    """Find a byte string whose hash contains NAME.

    Ctrl-C cancels the search on the server; after --progress or --resume it tells how to go on.
    With --resume, --maximum-hashes and --timeout bound the search as a whole.
    """
    if shards is not None and shard is not None:
        message = "--shards and --shard exclude each other"
        raise typer.BadParameter(message)
    if range_size is not None and shards is None and shard is None:
        message = "--range-size needs --shards or --shard"
        raise typer.BadParameter(message)
    from hashfinder_cli.find import find as run  # noqa: PLC0415 - gRPC takes time to import
    from hashfinder_cli.search import Search  # noqa: PLC0415 - likewise

    search = Search(
        name=name,
        server=server,
        ideal_distance=ideal_distance,
        inferior_distance=show_inferior,
        show_progress=progress or progress_interval is not None,
        progress_interval=progress_interval,
        start_position=start_position,
        maximum_hashes=maximum_hashes,
        timeout=timeout,
        resume=resume,
        retries=retry,
        as_json=as_json,
        shards=shards,
        shard=_pair(shard),
        range_size=range_size,
        result_file=result_file,
    )
    raise typer.Exit(run(search))


@app.command(epilog=_EXIT_CODES)
def health(
    *,
    server: Server = "127.0.0.1:50051",
    service: Annotated[
        str, typer.Option(metavar="NAME", help="A service by its full name; else the whole server.")
    ] = "",
    timeout: Wait = 5.0,
) -> None:
    """Tell whether the server is ready: exit 0 if it is SERVING, 5 if not."""
    from hashfinder_cli.health import health as run  # noqa: PLC0415 - gRPC takes time to import

    raise typer.Exit(run(server, service, timeout))


@app.command(epilog=_EXIT_CODES)
def tour(*, server: Server = "127.0.0.1:50051") -> None:
    """Show what a server can do: finds, streams, Ctrl-C, a budget, a deadline, a refusal.

    Takes less than a minute; exit 0 if every search ended as it should.
    """
    from hashfinder_cli.tour import tour as run  # noqa: PLC0415 - gRPC takes time to import

    raise typer.Exit(run(server))
