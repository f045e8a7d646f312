"""The options that say which hash is wanted."""

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from hashfinder_cli.options import checks
from hashfinder_rules.scheme import Algorithm, Anchor, Encoding, Scheme


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """The hash, how it is written, the name, and how near to it a hash must come."""

    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            callback=checks.check_text,
            show_default=False,
            help="What the hash must contain, 1 to 28 characters in base64; case does not matter.",
        ),
    ] = None
    ideal_distance: Annotated[
        int,
        typer.Option(
            metavar="D",
            callback=checks.check_int32,
            help="Accept a hash that differs in up to D characters.",
        ),
    ] = 0
    algorithm: Annotated[
        Literal["sha1", "sha256", "sha512"], typer.Option(help="The hash function.")
    ] = "sha1"
    encoding: Annotated[
        Literal["base64", "base64url", "hex", "base32", "binary"],
        typer.Option(help="How the hash is written; binary, as 0 and 1, needs an --anchor."),
    ] = "base64"
    anchor: Annotated[
        Literal["anywhere", "start", "end"],
        typer.Option(help="Where NAME must be in the hash; end is before any =."),
    ] = "anywhere"
    case_sensitive: Annotated[
        bool, typer.Option("--case-sensitive", help="Distinguish upper and lower case.")
    ] = False
    wildcard: Annotated[
        str,
        typer.Option(
            metavar="C",
            callback=checks.check_text,
            show_default=False,
            help="A character of NAME that matches any character.",
        ),
    ] = ""
    zero_bits: Annotated[
        int | None,
        typer.Option(metavar="N", help="Instead of NAME: a hash that begins with N zero bits."),
    ] = None
    trailing_zero_bits: Annotated[
        int | None,
        typer.Option(metavar="N", help="Instead of NAME: a hash that ends with N zero bits."),
    ] = None

    def __post_init__(self) -> None:
        """Refuse contradictory options, and an empty pattern.

        Raises:
            typer.BadParameter: it is so.
        """
        flags = {
            "--zero-bits": self.zero_bits,
            "--trailing-zero-bits": self.trailing_zero_bits,
        }
        given = {flag: bits for flag, bits in flags.items() if bits is not None}
        if not given:
            if self.name is None:
                message = "must be given, unless --zero-bits or --trailing-zero-bits is"
                raise typer.BadParameter(message, param_hint="NAME")
            return
        flag, bits = given.popitem()
        others = {
            "--zero-bits": bool(given),
            "NAME": self.name is not None,
            "--encoding": self.encoding != "base64",
            "--anchor": self.anchor != "anywhere",
            "--case-sensitive": self.case_sensitive,
            "--wildcard": bool(self.wildcard),
        }
        for other, is_given in others.items():
            if is_given:
                message = f"{flag} and {other} exclude each other"
                raise typer.BadParameter(message)
        longest = 8 * self.scheme.algorithm.digest_size
        if not 1 <= bits <= longest:
            message = f"must be 1 to {longest}, the bits of {self.algorithm}, not {bits}"
            raise typer.BadParameter(message, param_hint=flag)

    @property
    def _counts_bits(self) -> bool:
        return self.zero_bits is not None or self.trailing_zero_bits is not None

    @property
    def text(self) -> str:
        """The name; of zero bits, so many zeros."""
        return self.name or "0" * (self.zero_bits or self.trailing_zero_bits or 0)

    @property
    def title(self) -> str:
        """The pattern, for people."""
        if self.zero_bits is not None:
            return f"{self.zero_bits} zero bits"
        if self.trailing_zero_bits is not None:
            return f"{self.trailing_zero_bits} trailing zero bits"
        return self.text

    @property
    def scheme(self) -> Scheme:
        """Hash, encoding, anchor, case and wildcard."""
        algorithm = Algorithm[self.algorithm.upper()]
        if self._counts_bits:
            anchor = Anchor.END if self.zero_bits is None else Anchor.START
            return Scheme(algorithm, Encoding.BINARY, anchor)
        return Scheme(
            algorithm,
            Encoding[self.encoding.upper()],
            Anchor[self.anchor.upper()],
            self.case_sensitive,
            self.wildcard,
        )
