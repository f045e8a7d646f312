"""The options of a search that do not say what is searched for: where, how long, what is shown.

One declaration after another with its help, at over 250 lines.
"""

from dataclasses import dataclass
from typing import Annotated

import typer

from hashfinder_cli.options import checks

DEFAULT_SERVER = "127.0.0.1:50051"
MOST_SHARDS = 1000


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Which server, and how. The options are eager: check_local asks where each is from."""

    server: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            envvar="HASHFINDER_SERVER",
            is_eager=True,
            callback=checks.check_server,
            help="The server; dns:///HOST:PORT for all servers of that name in turn, unix:/path for"
            " a socket on this machine.",
        ),
    ] = DEFAULT_SERVER
    tls: Annotated[
        bool,
        typer.Option(
            "--tls",
            envvar="HASHFINDER_TLS",
            is_eager=True,
            help="Use TLS, and trust the CAs of the system, or those of --ca.",
        ),
    ] = False
    ca: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            envvar="HASHFINDER_CA",
            is_eager=True,
            help="Use TLS, and trust the CAs in FILE (PEM).",
        ),
    ] = None
    certificate: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            envvar="HASHFINDER_CERTIFICATE",
            is_eager=True,
            help="Use TLS, and send the certificate in FILE (PEM) to the server.",
        ),
    ] = None
    key: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            envvar="HASHFINDER_KEY",
            is_eager=True,
            help="The private key of --certificate (PEM).",
        ),
    ] = None
    token_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            envvar="HASHFINDER_TOKEN_FILE",
            is_eager=True,
            help="Send the token in FILE, over TLS or to a server on this machine.",
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse contradictory options.

        Raises:
            typer.BadParameter: it does.
        """
        if (self.certificate is None) != (self.key is None):
            message = "--certificate and --key need each other"
            raise typer.BadParameter(message)

    @property
    def speaks_tls(self) -> bool:
        """Whether the connection has TLS."""
        return self.tls or self.ca is not None or self.certificate is not None


@dataclass(frozen=True, kw_only=True)
class SearchConnection(Connection):
    """Which server searches: a running one, or a private one."""

    local: Annotated[
        bool,
        typer.Option(
            "--local",
            callback=checks.check_local,
            help="Start a server for this command alone, and search with all cores here.",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class JobConnection(SearchConnection):
    """The same for a command whose job is done here: a private server where none is given."""

    local: Annotated[
        bool,
        typer.Option(
            "--local",
            callback=checks.local_by_default,
            help="Start a server for this command alone, and search with all cores here; also"
            " without --local, where hashfinder-server is installed and no --server is given.",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where a search begins, and what ends it. None stands for an option left out."""

    start_position: Annotated[
        int | None,
        typer.Option(
            metavar="P",
            callback=checks.check_uint64,
            help="Start at position P, as an earlier search reported.",
        ),
    ] = None
    maximum_hashes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=checks.check_uint64,
            help="Give up after N hashes, or the server's limit.",
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(metavar="S", callback=checks.check_seconds, help="Give up after S seconds."),
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue after a budget, a quota, a shutdown or a lost connection, until found.",
        ),
    ] = False
    retry: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            callback=checks.between(0, 2**31 - 1, "0 to 2^31 - 1"),
            help="Retry after the delay that the server names: N times in a row without progress"
            " (0; with --resume 8).",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How many results."""

    count: Annotated[
        int,
        typer.Option(
            metavar="N",
            callback=checks.between(1, 2**31 - 1, "1 to 2^31 - 1"),
            help="Find the first N hashes.",
        ),
    ] = 1


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Where the progress of the search is saved."""

    state: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Save the progress in FILE; the same command continues from there.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """How a search is cut into ranges. None stands for an option left out."""

    shards: Annotated[
        int | None,
        typer.Option(
            "--shards",
            "--servers",
            metavar="N",
            callback=checks.between(1, MOST_SHARDS),
            help="Search N ranges at once: as many as there are servers, or twice as many.",
        ),
    ] = None
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            callback=checks.check_shard,
            help="Search the ranges number I, I+N, I+2N and so on; the first range is number 0.",
        ),
    ] = None
    range_size: Annotated[
        int | None,
        typer.Option(
            metavar="R",
            callback=checks.between(1, 2**64 - 1, "1 to 2^64 - 1"),
            help="Hashes in a range (2000000000).",
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse contradictory options.

        Raises:
            typer.BadParameter: it does.
        """
        if self.shards is not None and self.shard is not None:
            message = "--shards and --shard exclude each other"
            raise typer.BadParameter(message)
        if self.range_size is not None and self.shards is None and self.shard is None:
            message = "--range-size needs --shards or --shard"
            raise typer.BadParameter(message)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What is shown of a search, and in which form."""

    show_inferior: Annotated[
        int | None,
        typer.Option(
            metavar="D",
            callback=checks.check_int32,
            help="Also show every hash that differs in up to D characters.",
        ),
    ] = None
    progress: Annotated[
        bool, typer.Option("--progress", help="Show the progress of the search.")
    ] = False
    progress_interval: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            callback=checks.check_interval,
            help="Show progress every S seconds, not every 1.",
        ),
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Write lines of JSON.")] = False
    result_file: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="At the end, write the result and the end there, as --json does;"
            " under 4096 bytes.",
        ),
    ] = None
