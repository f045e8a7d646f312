"""The checks of flags that need no server; the server checks the rest.

A check does nothing but look: the shell's completion runs them as well.
"""

import re
from collections.abc import Callable
from math import isfinite

import typer

LONGEST_DURATION = 315_576_000_000
"""Seconds: the longest google.protobuf.Duration."""
_SHARD = re.compile(r"(?P<index>\d{1,6})/(?P<count>\d{1,6})", re.ASCII)


def between(low: int, high: int, allowed: str = "") -> Callable[[int | None], int | None]:
    """Return a check for whole numbers from `low` to `high`, which its message calls `allowed`."""

    def check(value: int | None) -> int | None:
        if value is not None and not low <= value <= high:
            message = f"must be {allowed or f'{low} to {high}'}, not {value}"
            raise typer.BadParameter(message)
        return value

    return check


check_int32 = between(-(2**31), 2**31 - 1, "-2^31 to 2^31 - 1")
check_uint64 = between(0, 2**64 - 1, "0 to 2^64 - 1")


def check_seconds(value: float | None) -> float | None:
    """Refuse numbers that are not positive and finite."""
    if value is not None and not (isfinite(value) and value > 0):
        message = f"must be a finite number of seconds above 0, not {value:g}"
        raise typer.BadParameter(message)
    return value


def check_interval(value: float | None) -> float | None:
    """Refuse what does not fit into a Duration."""
    if value is not None and not 0 < value <= LONGEST_DURATION:
        message = f"must be a number of seconds above 0, at most {LONGEST_DURATION}, not {value:g}"
        raise typer.BadParameter(message)
    return value


def check_text(value: str | None) -> str | None:
    """Refuse bytes that are not text: no message can contain them."""
    if value is not None:
        try:
            value.encode()
        except UnicodeEncodeError:
            message = "is not valid text in the encoding of this terminal"
            raise typer.BadParameter(message) from None
    return value


def check_server(context: typer.Context, value: str) -> str:
    """Refuse invalid addresses of a server."""
    if context.resilient_parsing:  # Completion need not import gRPC.
        return value
    from hashfinder_client.target import check_target  # noqa: PLC0415 - see above

    try:
        return check_target(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def check_local(context: typer.Context, value: bool) -> bool:  # noqa: FBT001 - Typer calls it so
    """Refuse a private server beside options of another; variables of another give way."""
    given = [name for name in _OF_A_SERVER if _source(context, name) == "COMMANDLINE"]
    if value and given:
        message = f"--local and --{given[0].replace('_', '-')} exclude each other"
        raise typer.BadParameter(message)
    return value


def local_by_default(context: typer.Context, value: bool) -> bool:  # noqa: FBT001 - likewise
    """Do the same, and take a private server where no other is meant and one can be started."""
    if context.resilient_parsing or check_local(context, value):
        return value
    from hashfinder_client.local_server import LocalServer  # noqa: PLC0415 - see check_server

    is_free = _source(context, "server") == "DEFAULT" and not any(
        _source(context, name) == "COMMANDLINE" for name in _OF_A_SERVER
    )
    return is_free and LocalServer.is_installed()


_OF_A_SERVER = ("server", "tls", "ca", "certificate", "key", "token_file")


def _source(context: typer.Context, name: str) -> str:
    source = context.get_parameter_source(name)
    return "" if source is None else source.name


def check_shard(value: str | None) -> str | None:
    """Refuse what is not I/N."""
    if value is not None:
        found = _SHARD.fullmatch(value)
        if found is None or int(found["index"]) >= int(found["count"]):
            message = f"must be I/N with I from 0 to N-1 and N up to 999999, not {value!r}"
            raise typer.BadParameter(message)
    return value


def check_hex(value: str | None) -> str | None:
    """Refuse invalid hexadecimal bytes."""
    if value is not None:
        try:
            bytes.fromhex(value)
        except ValueError:
            message = f"must be an even number of hexadecimal digits, not {value!r:.60}"
            raise typer.BadParameter(message) from None
    return value


def check_ascii(value: str | None) -> str | None:
    """Refuse characters that are not one byte each, in every encoding, and none at all."""
    if value is not None and not (value and value.isascii()):
        message = f"must be ASCII characters, or the name of an alphabet, not {value!r:.60}"
        raise typer.BadParameter(message)
    return value


def check_printable(value: str | None) -> str | None:
    """Refuse what `check_ascii` does, and characters that a line of text does not show."""
    check_ascii(value)
    if value is not None and not value.isprintable():
        message = f"must be printable characters, not {value!r:.60}"
        raise typer.BadParameter(message)
    return value
