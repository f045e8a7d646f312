"""What goes to stdout: the results, in the form that suits whoever reads them.

A terminal gets a block per result; a pipe or a file one line of tab-separated fields; with
``--json`` either gets one JSON object per line. Each is written out at once.
"""

import json
import select
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TextIO

from hashfinder_cli.explain import Ending
from hashfinder_cli.search import Search
from hashfinder_client.events import Progress
from hashfinder_client.match import Match


@dataclass(frozen=True, slots=True)
class Find:
    """A result in its search."""

    result: Match
    is_ideal: bool
    """Whether it is within the ideal distance, so that it ends the search."""
    seconds: float
    """The time since the search began."""
    rate: float | None
    """Positions per second until here, about; None where it is not known."""


class Output(ABC):
    """Writes to stdout. Each method raises BrokenPipeError when nobody reads any more."""

    def __init__(self, stdout: TextIO) -> None:
        """Write to `stdout`."""
        self._stdout = stdout

    @abstractmethod
    def find(self, find: Find) -> None:
        """Write a result."""

    def report(self, progress: Progress) -> None:  # noqa: B027 - most leave it out
        """Write how far the search has come, where results are not all that is written."""

    def end(self, ending: Ending) -> None:  # noqa: B027 - likewise
        """Write how the search ended, likewise."""

    def _write_line(self, line: str) -> None:
        self._stdout.write(line + "\n")
        self._stdout.flush()


def output_for(search: Search, stdout: TextIO) -> Output:
    """Return the output that `search` and the kind of `stdout` ask for."""
    if search.as_json:
        return JsonLines(stdout, with_reports=search.show_progress)
    return Blocks(search, stdout) if stdout.isatty() else TabbedLines(stdout)


def reader_is_gone(stdout: TextIO) -> bool:
    """Return whether nobody can read `stdout` any more: a search that no one reads is to stop."""
    poll = select.poll()
    poll.register(stdout, 0)
    return bool(poll.poll(0))


class TabbedLines(Output):
    """``distance position secret hash``, separated by tabs; the secret in base64 may be empty."""

    def find(self, find: Find) -> None:
        """Write the line."""
        result = find.result
        fields = (result.distance, result.position, result.secret_text, result.hashed_name)
        self._write_line("\t".join(map(str, fields)))


class JsonLines(Output):
    """One JSON object per line, of ``type`` ``result``, ``progress`` or, the last, ``end``."""

    def __init__(self, stdout: TextIO, *, with_reports: bool) -> None:
        """Write to `stdout`, reports of progress only if asked for."""
        super().__init__(stdout)
        self._with_reports = with_reports

    def find(self, find: Find) -> None:
        """Write the result."""
        self._write(
            "result",
            **_as_json(find.result),
            is_ideal=find.is_ideal,
            elapsed_seconds=round(find.seconds, 3),
        )

    def report(self, progress: Progress) -> None:
        """Write the progress."""
        if self._with_reports:
            self._write(
                "progress",
                hashes_computed=progress.hashes,
                next_position=progress.next_position,
                hashes_per_second=progress.rate,
                best_candidate=_as_json(progress.best) if progress.best else None,
                chance=progress.chance,
            )

    def end(self, ending: Ending) -> None:
        """Write the end."""
        self._write(
            "end",
            exit_code=int(ending.code),
            status=ending.status or None,
            reason=ending.reason or None,
            message=ending.sentence,
            next_position=ending.next_position,
            best_candidate=_as_json(ending.best) if ending.best else None,
            retry_after_seconds=ending.retry_after,
            request_id=ending.request_id or None,
            kernel=ending.kernel or None,
        )

    def _write(self, kind: str, **fields: object) -> None:
        self._write_line(json.dumps({"type": kind, **fields}))


class Blocks(Output):
    """A block of lines per result, with the part that resembles the name picked out in colour."""

    def __init__(self, search: Search, stdout: TextIO) -> None:
        """Write to `stdout`, a terminal."""
        from rich.console import Console  # noqa: PLC0415 - pipes and JSON start faster without

        super().__init__(stdout)
        self._name_length = len(search.name)
        self._console = Console(file=stdout, highlight=False, soft_wrap=True)

    def find(self, find: Find) -> None:
        """Write the block."""
        from rich.text import Text  # noqa: PLC0415 - see above

        result = find.result
        hashed_name = Text(result.hashed_name)
        style = "bold green" if find.is_ideal else "bold yellow"
        hashed_name.stylize(style, result.offset, result.offset + self._name_length)
        took = f"{find.seconds:.2f} s"
        rows: dict[str, str | Text] = {
            "hash": hashed_name,
            "secret": result.secret_text or "(empty)",
            "hex": result.secret.hex(" ") or "(empty)",
            "distance": f"{result.distance}{'' if find.is_ideal else '   (inferior)'}",
            "position": str(result.position),
            "elapsed": took if find.rate is None else f"{took}, about {quantity(find.rate)}/s",
        }
        for label, value in rows.items():
            self._console.print(Text.assemble((f"{label:9}", "dim"), value))
        self._console.print()


def quantity(value: float) -> str:
    """Return `value` in three or four digits with a decimal prefix, such as ``84.1 M``."""
    for prefix in ("", "k", "M", "G", "T"):
        if value < 1000:  # noqa: PLR2004 - the step from one prefix to the next
            return f"{value:.1f} {prefix}" if prefix else f"{value:.0f}"
        value /= 1000
    return f"{value:.1f} P"


def _as_json(result: Match) -> dict[str, object]:
    return {
        "secret": result.secret_text,
        "secret_hex": result.secret.hex(),
        "hashed_name": result.hashed_name,
        "distance": result.distance,
        "position": result.position,
    }
