"""What goes to stdout: the results, in the form that suits the reader.

A terminal gets a block per result; a pipe or a file one line of tab-separated fields; with
``--json`` either gets one JSON object per line. Each is written out at once.
"""

from abc import ABC, abstractmethod
from typing import TextIO

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.search import Search
from hashfinder_cli.view.ending import Ending
from hashfinder_cli.view.json_lines import Finding, end_line, progress_line, result_line
from hashfinder_cli.view.text import as_text, quantity
from hashfinder_client.events import Match, Progress


class Output(ABC):
    """Writes to stdout. Each method raises `OutputError` when that cannot be done."""

    def __init__(self, stdout: TextIO) -> None:
        """Write to `stdout`."""
        self._stdout = stdout

    @abstractmethod
    def result(self, finding: Finding) -> None:
        """Write a result."""

    def report(self, progress: Progress) -> None:  # noqa: B027 - most leave it out
        """Write how far the search has come, where results are not all that is written."""

    def end(self, ending: Ending) -> None:  # noqa: B027 - likewise
        """Write the end of the search, likewise."""

    def _write(self, text: str) -> None:
        self._stdout.write(text)
        self._stdout.flush()


def output_for(search: Search, stdout: TextIO) -> Output:
    """Return the output that `search` and the kind of `stdout` ask for."""
    if search.shown.as_json:
        return JsonLines(stdout, with_reports=search.shows_progress)
    return Blocks(search, stdout) if stdout.isatty() else TabbedLines(stdout)


class TabbedLines(Output):
    """``distance position secret hash``, separated by tabs; the secret in base64 may be empty.

    A search that is not classic has a fifth field: the secret as text, empty if not printable.
    """

    def result(self, finding: Finding) -> None:
        """Write the line."""
        match = finding.match
        fields = [match.distance, match.position, match.secret_text, match.hashed_name]
        if not finding.query.is_classic:
            fields.append(as_text(match.secret) or "")
        self._write("\t".join(map(str, fields)) + "\n")


class JsonLines(Output):
    """One JSON object per line, of ``type`` ``result``, ``progress`` or, the last, ``end``."""

    def __init__(self, stdout: TextIO, *, with_reports: bool) -> None:
        """Write to `stdout`, reports of progress only if asked for."""
        super().__init__(stdout)
        self._with_reports = with_reports

    def result(self, finding: Finding) -> None:
        """Write the result."""
        self._write(result_line(finding))

    def report(self, progress: Progress) -> None:
        """Write the progress."""
        if self._with_reports:
            self._write(progress_line(progress))

    def end(self, ending: Ending) -> None:
        """Write the end."""
        self._write(end_line(ending))


class Held(Output):
    """Keeps the ideal match for the command that asked for it; with JSON, writes any other end."""

    def __init__(self, stdout: TextIO, *, as_json: bool) -> None:
        """Write to `stdout`."""
        super().__init__(stdout)
        self._as_json = as_json
        self.match: Match | None = None

    def result(self, finding: Finding) -> None:
        """Keep the match."""
        self.match = finding.match

    def end(self, ending: Ending) -> None:
        """Write the end, unless the match is what follows."""
        if self._as_json and ending.code != ExitCode.FOUND:
            self._write(end_line(ending))


class Blocks(Output):
    """A block of lines per result, with the part that resembles the name picked out in colour."""

    def __init__(self, search: Search, stdout: TextIO) -> None:
        """Write to `stdout`, a terminal."""
        from rich.console import Console  # noqa: PLC0415 - pipes and JSON start faster without

        super().__init__(stdout)
        self._name_length = len(search.pattern.text)
        self._console = Console(file=stdout, highlight=False, soft_wrap=True)

    def result(self, finding: Finding) -> None:
        """Write the block."""
        from rich.text import Text  # noqa: PLC0415 - see above

        match = finding.match
        hashed_name = Text(match.hashed_name)
        style = "bold green" if finding.is_ideal else "bold yellow"
        hashed_name.stylize(style, match.offset, match.offset + self._name_length)
        elapsed = f"{finding.seconds:.2f} s"
        if finding.rate is not None:
            elapsed += f", about {quantity(finding.rate)}/s"
        rows: dict[str, str | Text] = {
            "hash": hashed_name,
            "secret": match.secret_text or "(empty)",
            "hex": match.secret.hex(" ") or "(empty)",
            **({"text": text} if (text := as_text(match.secret)) else {}),
            **({} if finding.query.is_classic else {"digest": finding.digest.hex()}),
            "distance": f"{match.distance}{'' if finding.is_ideal else '   (inferior)'}",
            "position": str(match.position),
            "elapsed": elapsed,
        }
        for label, value in rows.items():
            self._console.print(Text.assemble((f"{label:9}", "dim"), value))
        self._console.print()
