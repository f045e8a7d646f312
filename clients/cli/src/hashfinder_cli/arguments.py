"""The command line: commands, options and help. What is slow to import waits for its turn."""

import re
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from hashfinder_cli.exit_codes import MEANINGS
from hashfinder_cli.target import check_target

_LONGEST = 1e9
"""Seconds. gRPC takes much longer timeouts as passed already."""
_SHARD = re.compile(r"(?P<index>\d{1,6})/(?P<count>\d{1,6})", re.ASCII)

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


def _check_name(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        message = "is not valid text in the encoding of this terminal"
        raise typer.BadParameter(message) from None
    return value


def _check_server(value: str) -> str:
    try:
        return check_target(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _check_shard(value: str | None) -> str | None:
    if value is not None:
        found = _SHARD.fullmatch(value)
        if found is None or int(found["index"]) >= int(found["count"]):
            message = f"must be I/N with I from 0 to N-1 and N up to 999999, not {value!r}"
            raise typer.BadParameter(message)
    return value


def _pair(shard: str | None) -> tuple[int, int] | None:
    if shard is None:
        return None
    index, _, count = shard.partition("/")
    return int(index), int(count)


def _check_range_size(value: int | None) -> int | None:
    return _check_range(value, 1, 2**64 - 1, "1 to 2^64 - 1")


def _check_file(value: str | None) -> str | None:
    """Empty the file: what an earlier search left there must not be taken for this one's end."""
    if value is not None:
        try:
            Path(value).write_bytes(b"")
        except (OSError, ValueError) as error:
            message = f"cannot write {value!r}: {getattr(error, 'strerror', None) or error}"
            raise typer.BadParameter(message) from None
    return value


def _check_seconds(value: float | None) -> float | None:
    # Written so that NaN fails.
    if value is not None and not 0 < value <= _LONGEST:
        message = f"must be a number of seconds above 0, at most {_LONGEST:.0f}"
        raise typer.BadParameter(message)
    return value


def _check_int32(value: int | None) -> int | None:
    return _check_range(value, -(2**31), 2**31 - 1, "-2^31 to 2^31 - 1")


def _check_uint64(value: int | None) -> int | None:
    return _check_range(value, 0, 2**64 - 1, "0 to 2^64 - 1")


def _check_range(value: int | None, low: int, high: int, allowed: str) -> int | None:
    # No more than the message can hold: the server is the judge of what makes sense.
    if value is not None and not low <= value <= high:
        message = f"must be {allowed}"
        raise typer.BadParameter(message)
    return value


def _print_version(is_asked: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if is_asked:
        typer.echo(f"hashfinder {version('hashfinder-cli')}")
        raise typer.Exit


Server = Annotated[
    str,
    typer.Option(
        metavar="HOST:PORT",
        envvar="HASHFINDER_SERVER",
        callback=_check_server,
        help="The server; dns:///HOST:PORT for all servers of that name in turn.",
    ),
]
Distance = Annotated[
    int,
    typer.Option(
        metavar="D", callback=_check_int32, help="Take a hash that differs in up to D characters."
    ),
]
InferiorDistance = Annotated[
    int | None,
    typer.Option(
        metavar="D",
        callback=_check_int32,
        help="On the way, show every hash that differs in up to D characters.",
    ),
]
Position = Annotated[
    int | None,
    typer.Option(
        metavar="P", callback=_check_uint64, help="Begin there, as an earlier search told."
    ),
]
Hashes = Annotated[
    int | None,
    typer.Option(
        metavar="N", callback=_check_uint64, help="Give up after N hashes, or the server's limit."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(metavar="S", callback=_check_seconds, help="Give up after S seconds."),
]
Retries = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        show_default=False,
        help="Try again where the server says when: N times in a row with nothing searched"
        " (0; with --resume 8).",
    ),
]
Interval = Annotated[
    float | None,
    typer.Option(
        metavar="S", callback=_check_seconds, help="Show progress every S seconds, not every 1."
    ),
]


Shards = Annotated[
    int | None,
    typer.Option(
        "--shards",
        "--servers",
        metavar="N",
        min=1,
        max=1000,
        show_default=False,
        help="Search N ranges at once: as many as there are servers, or twice as many.",
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        callback=_check_shard,
        show_default=False,
        help="Search the ranges number I, I+N, I+2N and so on; the first range is number 0.",
    ),
]
RangeSize = Annotated[
    int | None,
    typer.Option(
        metavar="R",
        callback=_check_range_size,
        show_default=False,
        help="Hashes in a range (2000000000).",
    ),
]
ResultFile = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        callback=_check_file,
        help="At the end, write the result and the end there, as --json does; under 4096 bytes.",
    ),
]


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
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            callback=_check_name,
            show_default=False,
            help="What the hash is to contain, 1 to 28 characters; case does not matter.",
        ),
    ],
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
    timeout: Annotated[
        float, typer.Option(metavar="S", callback=_check_seconds, help="Wait S seconds at most.")
    ] = 5.0,
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
