"""The errors of files that are followed, and of an invalid token or policy file."""

from collections.abc import Iterable

from hashfinder.domain.errors import HashFinderError

_SHOWN = 20


class UnreadableError(HashFinderError):
    """The system kept a file from being read, whatever it contains: a later try may succeed."""


class AccessFileError(HashFinderError):
    """A token or policy file is not valid. The operator acts."""

    def __init__(self, problems: Iterable[tuple[int | None, str]], file: str = "") -> None:
        """Take what is wrong, with what is allowed, each with its line, from 1, where it has one.

        Of many problems the text has the first 20.
        """
        self.problems = list(problems)
        texts = [text if line is None else f"line {line}: {text}" for line, text in self.problems]
        if len(texts) > _SHOWN:
            texts[_SHOWN:] = [f"and {len(texts) - _SHOWN} more"]
        super().__init__((f"{file}: " if file else "") + "; ".join(texts))


class UnreadableAccessFileError(AccessFileError, UnreadableError):
    """A token or policy file cannot be read. The operator acts."""
