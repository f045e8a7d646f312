"""The options: what each may be, refused here where it cannot even be sent, and its help."""

import re
from pathlib import Path
from typing import Annotated

import typer

from hashfinder_client.target import check_target

_LONGEST = 1e9
"""Seconds. gRPC takes much longer timeouts as passed already."""
_SHARD = re.compile(r"(?P<index>\d{1,6})/(?P<count>\d{1,6})", re.ASCII)


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


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        callback=_check_name,
        show_default=False,
        help="What the hash is to contain, 1 to 28 characters; case does not matter.",
    ),
]
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
Wait = Annotated[
    float, typer.Option(metavar="S", callback=_check_seconds, help="Wait S seconds at most.")
]
