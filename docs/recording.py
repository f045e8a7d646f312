"""Records the command line at work, as a picture that moves: `make recording`.

The commands run on a pseudo-terminal, and what they print is shown at the time at which it came.
Only the typing is made up. The picture is SVG with CSS, which GitHub shows without a script.
"""

import argparse
import codecs
import fcntl
import math
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise
from pathlib import Path

import pyte
from pyte.screens import Char

_COLUMNS, _ROWS = 96, 15
_CHARACTER, _LINE, _MARGIN = 8.43, 19, 14
"""Pixels: a character's width at 14 pixels, a line's height, the space around."""
_KEY, _THOUGHT, _END = 0.05, 0.7, 5.0
"""Seconds: between two keys, before a command, after the last picture."""
_PATIENCE = 3.3
"""Seconds until Ctrl-C."""
_SMOOTH = 0.04
"""Seconds that a picture stays at the least: no eye sees shorter ones."""
_COLOURS = {
    "default": "#d8dee9",
    "green": "#8fd18f",
    "red": "#f28b82",
    "cyan": "#7fd3e0",
    "blue": "#8ab4f8",
    "magenta": "#d7aefb",
    "brown": "#f2cc60",
}
_PROMPT = "\x1b[32m$\x1b[0m "


@dataclass(frozen=True)
class _Command:
    """A command line, and what it shows when the wait for Ctrl-C begins."""

    words: str
    interrupt_after: str = ""


_COMMANDS = (
    _Command("hashfinder find doctor --local"),
    _Command("hashfinder find doctorwho --local --progress", interrupt_after="chance"),
)
_Row = tuple[Char, ...]


class _Recorder:
    """A terminal whose pictures are kept with their times."""

    def __init__(self) -> None:
        self.pictures: list[tuple[float, list[_Row]]] = []
        self.seconds = 0.0
        self._screen = pyte.Screen(_COLUMNS, _ROWS)
        self._stream = pyte.Stream(self._screen)

    def show(self, text: str) -> None:
        """Write `text` on the terminal."""
        self._stream.feed(text)
        rows = [tuple(self._screen.buffer[y][x] for x in range(_COLUMNS)) for y in range(_ROWS)]
        if self.pictures and self.seconds - self.pictures[-1][0] < _SMOOTH:
            self.seconds = self.pictures.pop()[0]
        self.pictures.append((self.seconds, rows))

    def type(self, words: str) -> None:
        """Show a prompt, and `words` key by key."""
        self.show(_PROMPT)
        self.seconds += _THOUGHT
        for key in words:
            self.show(key)
            self.seconds += _KEY
        self.seconds += _THOUGHT / 2
        self.show("\r\n")

    def run(self, command: _Command) -> None:
        """Run `command` on a pseudo-terminal, and show what it prints when it comes."""
        words = ["env", "TERM=xterm-256color", *command.words.split()]
        pid, terminal = pty.fork()
        if not pid:
            os.execvp(words[0], words)  # noqa: S606 - as a shell does
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", _ROWS, _COLUMNS, 0, 0))
        begin, before, shown, press_at = time.monotonic(), self.seconds, "", math.inf
        decoder = codecs.getincrementaldecoder("utf-8")()
        while True:
            elapsed = time.monotonic() - begin
            if (
                press_at == math.inf
                and command.interrupt_after
                and command.interrupt_after in shown
            ):
                press_at = elapsed + _PATIENCE
            if elapsed >= press_at:
                os.write(terminal, b"\x03")
                press_at = math.nan  # never again
            if not select.select([terminal], [], [], 0.02)[0]:
                continue
            try:
                piece = decoder.decode(os.read(terminal, 65536))
            except OSError:  # the other side is closed
                break
            self.seconds = before + time.monotonic() - begin
            self.show(piece)
            shown += piece
        os.close(terminal)
        os.waitpid(pid, 0)
        self.seconds += _THOUGHT


def _picture(pictures: list[tuple[float, list[_Row]]]) -> Iterator[str]:
    """Yield the lines of the SVG: a row of text for each time that it stays the same."""
    end = pictures[-1][0] + _END
    width, height = _COLUMNS * _CHARACTER + 2 * _MARGIN, _ROWS * _LINE + 2 * _MARGIN
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">'
    yield "<title>hashfinder finds a hash with a name, and is cancelled in a longer search</title>"
    yield "<style>"
    yield (
        "text { font: 14px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace;"
        f" fill: {_COLOURS['default']}; white-space: pre; }}"
    )
    spans = list(_spans(pictures, end))
    kinds = sorted({(begin, stop) for _, _, begin, stop in spans})
    names = {kind: f"t{number}" for number, kind in enumerate(kinds)}
    for (begin, stop), name in names.items():
        first, last = 100 * begin / end, 100 * stop / end
        yield f".{name} {{ visibility: hidden; animation: {name} {end:.2f}s step-end infinite; }}"
        hidden = "" if stop >= end else f" {last:.2f}% {{ visibility: hidden; }}"
        yield f"@keyframes {name} {{ {first:.2f}% {{ visibility: visible; }}{hidden} }}"
    still = ", ".join(f".{name}" for (_, stop), name in names.items() if stop >= end)
    yield "@media (prefers-reduced-motion) { text { animation: none !important; }"
    yield f"{still} {{ visibility: visible; }} }}"
    yield "</style>"
    yield f'<rect width="{width:.0f}" height="{height}" rx="8" fill="#1d2433"/>'
    for y, row, begin, stop in spans:
        place = f'x="{_MARGIN}" y="{_MARGIN + _LINE * y + 14}"'
        yield f'<text class="{names[begin, stop]}" {place}>{_styled(row)}</text>'
    yield "</svg>"


def _spans(
    pictures: list[tuple[float, list[_Row]]], end: float
) -> Iterator[tuple[int, _Row, float, float]]:
    """Yield each row of text that is not empty, and from when to when it is there."""
    for y in range(_ROWS):
        rows = [(seconds, picture[y]) for seconds, picture in pictures]
        changes = [next(group) for _, group in groupby(rows, key=lambda row: row[1])]
        for (begin, row), (stop, _) in pairwise([*changes, (end, ())]):
            if any(character.data.strip() for character in row):
                yield y, row, begin, stop


def _styled(row: _Row) -> str:
    """Return a row as SVG, with a span for each change of style."""
    text = ""
    last = max(x for x, character in enumerate(row) if character.data.strip())
    for (colour, is_bold), group in groupby(row[: last + 1], key=lambda each: (each.fg, each.bold)):
        content = escape("".join(character.data for character in group))
        style = f' fill="{_COLOURS.get(colour, "#" + colour)}"' if colour != "default" else ""
        style += ' font-weight="bold"' if is_bold else ""
        text += f"<tspan{style}>{content}</tspan>" if style else content
    return text


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="the SVG to write")
    target = parser.parse_args().file
    recorder = _Recorder()
    for command in _COMMANDS:
        recorder.type(command.words)
        recorder.run(command)
    recorder.show(_PROMPT)
    target.write_text("\n".join(_picture(recorder.pictures)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
