"""What goes to stderr: a spinner and the progress while it lasts, sentences when it ends.

Animation is for a terminal alone; into a file, progress goes line by line.
"""

from types import TracebackType
from typing import Self, TextIO

from hashfinder_cli.search import Search
from hashfinder_cli.view.text import plain, quantity
from hashfinder_client.events import Progress

REFRESH = 0.1
"""Seconds between two frames of the spinner."""


class StatusLine:
    """One line on stderr that is replaced in place, and gone before anything else is written."""

    def __init__(self, search: Search, stderr: TextIO) -> None:
        """Show the status of `search` on `stderr`."""
        self._search = search
        self._stderr = stderr
        self._progress: Progress | None = None
        self._drawn_at = float("-inf")
        self._animation = _Animation(stderr) if stderr.isatty() else None
        if self._animation and not self._animation.is_possible:
            self._animation = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the terminal."""
        self.clear()

    def tick(self, seconds: float) -> None:
        """Redraw the line, `seconds` after the search began, if it is time to."""
        if self._animation and seconds - self._drawn_at >= REFRESH:
            self._drawn_at = seconds
            self._animation.draw(self._text(seconds))

    def report(self, progress: Progress, seconds: float) -> None:
        """Show `progress`: in the line from now on, or as a line of its own."""
        if self._search.shows_progress:
            self._progress = progress
            if self._animation is None and self._search.shows_lines_of_progress:
                self.say(self._text(seconds))

    @property
    def is_animated(self) -> bool:
        """Whether stderr is a terminal that can be drawn on."""
        return self._animation is not None

    def clear(self) -> None:
        """Erase the line, until the next tick."""
        if self._animation:
            self._animation.erase()
            self._drawn_at = float("-inf")

    def say(self, *paragraphs: str) -> None:
        """Write `paragraphs`, those that are not empty."""
        self.clear()
        for paragraph in filter(None, paragraphs):
            self._stderr.write(paragraph + "\n")
        self._stderr.flush()

    def _text(self, seconds: float) -> str:
        parts = [plain(self._search.pattern.title), f"{seconds:.1f} s"]
        if (progress := self._progress) is not None:
            parts += [f"{quantity(progress.rate)}/s", f"{quantity(progress.hashes)} hashes"]
            parts += [] if progress.next_position is None else [f"at {progress.next_position}"]
            parts += [f"best {progress.best.distance}"] if progress.best else []
            parts += [f"chance {100 * progress.chance:.3g} %"]
        return "  ".join(parts)


class _Animation:
    """A line with a spinner, drawn by `rich`, which only a terminal makes worth its import."""

    def __init__(self, terminal: TextIO) -> None:
        from rich.console import Console  # noqa: PLC0415 - see above
        from rich.live import Live  # noqa: PLC0415 - see above
        from rich.spinner import Spinner  # noqa: PLC0415 - see above

        console = Console(file=terminal, highlight=False)
        self.is_possible = console.is_terminal and not console.is_dumb_terminal
        self._spinner = Spinner("dots" if console.encoding.startswith("utf") else "line")
        self._live = Live(
            self._spinner,
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def draw(self, text: str) -> None:
        from rich.text import Text  # noqa: PLC0415 - see above

        self._spinner.update(text=Text(text, no_wrap=True, overflow="ellipsis"))
        self._live.start()
        self._live.refresh()

    def erase(self) -> None:
        self._live.stop()
