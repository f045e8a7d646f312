"""What goes to stderr: a spinner and the progress while it lasts, sentences when it ends.

Animation is for a terminal alone; into a file, progress goes line by line.
"""

from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from hashfinder_cli.explain import plain
from hashfinder_cli.output import Report, quantity
from hashfinder_cli.search import Search

if TYPE_CHECKING:
    from rich.live import Live

REFRESH = 0.1
"""Seconds between two pictures of the spinner."""


class StatusLine:
    """One line on stderr that is replaced in place, and gone before anything else is written."""

    def __init__(self, search: Search, stderr: TextIO) -> None:
        """Show the status of `search` on `stderr`."""
        self._search = search
        self._stderr = stderr
        self._report: Report | None = None
        self._drawn_at = float("-inf")
        self._live = _live(stderr) if stderr.isatty() else None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the terminal back as it was."""
        self.clear()

    def tick(self, seconds: float) -> None:
        """Redraw the line, `seconds` after the search began, if it is time to."""
        if self._live is None or seconds - self._drawn_at < REFRESH:
            return
        from rich.spinner import Spinner  # noqa: PLC0415 - for a terminal only
        from rich.text import Text  # noqa: PLC0415 - likewise

        self._drawn_at = seconds
        is_utf = self._live.console.encoding.startswith("utf")
        text = Text(self._text(seconds), no_wrap=True, overflow="ellipsis")
        self._live.start()
        self._live.update(Spinner("dots" if is_utf else "line", text), refresh=True)

    def report(self, report: Report, seconds: float) -> None:
        """Show `report`: in the line from now on, or as a line of its own."""
        if self._search.show_progress:
            self._report = report
            if self._live is None and not self._search.as_json:
                self.say(self._text(seconds))

    def clear(self) -> None:
        """Take the line away, until the next tick."""
        if self._live is not None:
            self._live.stop()
            self._drawn_at = float("-inf")

    def say(self, *paragraphs: str) -> None:
        """Write `paragraphs`, those that are not empty."""
        self.clear()
        for paragraph in filter(None, paragraphs):
            self._stderr.write(paragraph + "\n")
        self._stderr.flush()

    def _text(self, seconds: float) -> str:
        parts = [plain(self._search.name), f"{seconds:.1f} s"]
        if (report := self._report) is not None:
            parts += [f"{quantity(report.rate)}/s", f"{quantity(report.hashes)}hashes"]
            parts += [] if report.next_position is None else [f"at {report.next_position}"]
            parts += [f"best {report.best.distance}"] if report.best else []
            parts += [f"chance {report.chance:.1%}"]
        return "  ".join(parts)


def _live(terminal: TextIO) -> "Live | None":
    """Return what draws on `terminal`; None for one that cannot draw."""
    from rich.console import Console  # noqa: PLC0415 - for a terminal only
    from rich.live import Live  # noqa: PLC0415 - likewise

    console = Console(file=terminal, highlight=False)
    if console.is_dumb_terminal or not console.is_terminal:
        return None
    return Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
