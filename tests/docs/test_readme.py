"""The README's figures are those of the guide, which has them from the bench."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RECORDING = ROOT / "docs/pictures/find.svg"
GUIDE = (ROOT / "docs/cancellation.md").read_text(encoding="utf-8")


def numbers(*cells: str) -> list[str]:
    """Return the numbers in some cells of a table."""
    return re.findall(r"[\d,]*\.?\d+", " ".join(cells))


def test_first_table_has_the_figures_of_the_guide() -> None:
    """Those of 64 searches, by design; each row links the command that measures it."""
    designs = [row.split("|") for row in re.findall(r"^\| 64 \| .*$", GUIDE, re.MULTILINE)]
    rows = re.findall(r"^\|(.*)\| \[`make bench-stops`\]", README, re.MULTILINE)
    shown = [[numbers(cell) for cell in row.split("|")[1:4]] for row in rows]

    share, cancel, health, rate = slice(3, 4), slice(4, 6), slice(6, 8), slice(8, 9)
    expected = [
        [numbers(*design[column]) for design in designs] for column in (cancel, share, health, rate)
    ]
    assert expected == shown


def test_recording_shows_the_exchange_of_the_readme() -> None:
    """The same search with the same result; it is small, and needs nothing but itself."""
    picture = RECORDING.read_text(encoding="utf-8")
    shown = re.sub(r"<[^>]+>", "", picture)
    (exchange,) = re.findall(r"```console\n\$ (.*)\n(.*)\n```", README)

    command, printed = exchange
    assert f"$ {command} --local" in shown
    assert not [part for part in printed.split("\t") if part not in shown]
    assert len(picture) < 60_000
    assert ["http://www.w3.org/2000/svg"] == re.findall(r"https?://[^\"]+", picture)
