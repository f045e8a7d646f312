"""The options of proofs of work."""

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from hashfinder_cli.options import checks
from hashfinder_cli.options.secrets import ALPHABETS
from hashfinder_rules.keyspace import LONGEST_LENGTH, Keyspace
from hashfinder_rules.scheme import Algorithm

MOST_BITS = 160
"""The bits of a SHA-1; of Nostr's SHA-256, more are out of reach anyhow."""
_BITS_OF_A_DIGIT = 4

EventFile = Annotated[
    str,
    typer.Argument(metavar="EVENT", show_default=False, help="A file of JSON, or - for stdin."),
]
MinimumBits = Annotated[
    int | None,
    typer.Option(
        "--bits",
        metavar="N",
        callback=checks.between(1, MOST_BITS),
        show_default=False,
        help="Require at least N zero bits.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Bits:
    """How much work."""

    bits: Annotated[
        int,
        typer.Option(
            metavar="N",
            callback=checks.between(1, MOST_BITS),
            show_default=False,
            help="Zero bits, not hex digits, that the hash begins with.",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Hashcash:
    """What a stamp is for."""

    resource: Annotated[
        str,
        typer.Argument(
            metavar="RESOURCE",
            callback=checks.check_text,
            show_default=False,
            help="What the stamp is for, such as an address.",
        ),
    ]
    date: Annotated[
        str | None,
        typer.Option(
            metavar="YYMMDD[hhmm[ss]]", callback=checks.check_text, help="The stamp's date (today)."
        ),
    ] = None
    extension: Annotated[
        str, typer.Option(metavar="TEXT", callback=checks.check_text, help="The stamp's extension.")
    ] = ""


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """What is hashed around an answer, and how many zero bits make it one."""

    bits: Annotated[
        int | None,
        typer.Option(metavar="N", show_default=False, help="Zero bits, not hex digits."),
    ] = None
    hex_zeros: Annotated[
        int | None,
        typer.Option(
            metavar="N", show_default=False, help="Instead of --bits: zero hex digits, 4 bits each."
        ),
    ] = None
    trailing: Annotated[
        bool,
        typer.Option("--trailing", help="The zeros are at the end of the hash, not at its start."),
    ] = False
    algorithm: Annotated[
        Literal["sha1", "sha256", "sha512"], typer.Option(help="The hash function.")
    ] = "sha256"
    prefix: Annotated[
        str,
        typer.Option(
            metavar="TEXT", callback=checks.check_text, help="Hash TEXT before the answer."
        ),
    ] = ""
    suffix: Annotated[
        str,
        typer.Option(metavar="TEXT", callback=checks.check_text, help="Hash TEXT after it."),
    ] = ""

    def __post_init__(self) -> None:
        """Refuse contradictory options, and more zeros than a hash has.

        Raises:
            typer.BadParameter: it is so.
        """
        if (self.bits is None) == (self.hex_zeros is None):
            message = "one of --bits and --hex-zeros must be given"
            raise typer.BadParameter(message)
        bits_of_hash = 8 * self.hash_algorithm.digest_size
        for flag, zeros, most in (
            ("--bits", self.bits, bits_of_hash),
            ("--hex-zeros", self.hex_zeros, bits_of_hash // _BITS_OF_A_DIGIT),
        ):
            if zeros is not None and not 1 <= zeros <= most:
                message = f"must be 1 to {most}, the length of {self.algorithm}, not {zeros}"
                raise typer.BadParameter(message, param_hint=flag)

    @property
    def hash_algorithm(self) -> Algorithm:
        """The hash function."""
        return Algorithm[self.algorithm.upper()]

    @property
    def zero_bits(self) -> int:
        """How many zero bits are asked for."""
        return self.bits if self.bits is not None else _BITS_OF_A_DIGIT * (self.hex_zeros or 0)

    def message(self, answer: str) -> bytes:
        """Return what is hashed for an answer."""
        return f"{self.prefix}{answer}{self.suffix}".encode()


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Which answers are tried."""

    alphabet: Annotated[
        str,
        typer.Option(
            metavar="CHARACTERS",
            callback=checks.check_printable,
            help=f"Use only these characters, in this order, or one of {', '.join(ALPHABETS)}.",
        ),
    ] = "alnum"
    length: Annotated[
        int | None,
        typer.Option(
            metavar="L",
            callback=checks.between(1, LONGEST_LENGTH),
            help="Answers of exactly L characters.",
        ),
    ] = None

    @property
    def keyspace(self) -> Keyspace:
        """The answers and their order."""
        return Keyspace(ALPHABETS.get(self.alphabet, self.alphabet).encode(), self.length)
