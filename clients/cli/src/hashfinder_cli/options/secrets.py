"""The options that say which messages are hashed."""

import string
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import typer

from hashfinder_cli.options import checks
from hashfinder_cli.options.files import read_bounded
from hashfinder_rules.keyspace import ALL_BYTES, Keyspace
from hashfinder_rules.violations import LONGEST_AFFIXES

_LETTERS = string.ascii_uppercase + string.ascii_lowercase
ALPHABETS = {
    "digits": string.digits,
    "hex": string.digits + "abcdef",
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "alnum": _LETTERS + string.digits,
    "base64": _LETTERS + string.digits + "+/",
    "printable": "".join(map(chr, range(0x20, 0x7F))),
}
"""The alphabets that have a name."""


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The secrets that are tried, and what is hashed before and after each of them."""

    secret_prefix: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", callback=checks.check_text, help="Hash TEXT before each secret."
        ),
    ] = None
    secret_prefix_hex: Annotated[
        str | None,
        typer.Option(
            metavar="HEX", callback=checks.check_hex, help="The same, of bytes in hexadecimal."
        ),
    ] = None
    secret_prefix_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="The same, of all bytes of FILE.")
    ] = None
    secret_suffix: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", callback=checks.check_text, help="Hash TEXT after each secret."
        ),
    ] = None
    secret_suffix_hex: Annotated[
        str | None,
        typer.Option(
            metavar="HEX", callback=checks.check_hex, help="The same, of bytes in hexadecimal."
        ),
    ] = None
    secret_suffix_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="The same, of all bytes of FILE.")
    ] = None
    alphabet: Annotated[
        str | None,
        typer.Option(
            metavar="CHARACTERS",
            callback=checks.check_ascii,
            help=f"Use only these characters, in this order, or one of {', '.join(ALPHABETS)}.",
        ),
    ] = None
    secret_length: Annotated[
        int | None,
        typer.Option(metavar="L", callback=checks.check_int32, help="Secrets of exactly L bytes."),
    ] = None

    def __post_init__(self) -> None:
        """Refuse contradictory options.

        Raises:
            typer.BadParameter: it does.
        """
        for end in ("prefix", "suffix"):
            forms = (f"secret_{end}", f"secret_{end}_hex", f"secret_{end}_file")
            given = [form for form in forms if getattr(self, form) is not None]
            if len(given) > 1:
                one, other = (f"--{form.replace('_', '-')}" for form in given[:2])
                message = f"{one} and {other} exclude each other"
                raise typer.BadParameter(message)

    @property
    def keyspace(self) -> Keyspace:
        """The secrets and their order."""
        alphabet = ALL_BYTES
        if self.alphabet is not None:
            alphabet = ALPHABETS.get(self.alphabet, self.alphabet).encode()
        return Keyspace(alphabet, self.secret_length)

    @cached_property
    def prefix(self) -> bytes:
        """What is hashed before each secret.

        Raises:
            typer.BadParameter: its file cannot be read, or is too large.
        """
        return _bytes(
            self.secret_prefix,
            self.secret_prefix_hex,
            self.secret_prefix_file,
            "--secret-prefix-file",
        )

    @cached_property
    def suffix(self) -> bytes:
        """What is hashed after each secret. Raises as `prefix` does."""
        return _bytes(
            self.secret_suffix,
            self.secret_suffix_hex,
            self.secret_suffix_file,
            "--secret-suffix-file",
        )


def _bytes(text: str | None, digits: str | None, path: str | None, flag: str) -> bytes:
    if text is not None:
        return text.encode()
    if digits is not None:
        return bytes.fromhex(digits)
    if path is None:
        return b""
    return read_bounded(path, LONGEST_AFFIXES, flag)
