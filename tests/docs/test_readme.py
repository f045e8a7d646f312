"""The README's figures are those of the benchmarks; its exchange is that of the recording."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RECORDING = ROOT / "docs/pictures/find.svg"
BENCHMARKS = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")


def test_rows_of_the_first_table_lead_to_rows_of_the_benchmarks() -> None:
    """Each link's row has the figures shown, for the design of each column."""
    rows = re.findall(r"^\|(.*)\| \[figures\]\(docs/benchmarks.md#(.*)\) \|$", README, re.MULTILINE)
    assert 4 == len(rows)
    for row, anchor in rows:
        (figures,) = re.findall(rf'^\| <a id="{anchor}"></a>.*$', BENCHMARKS, re.MULTILINE)
        designs = [re.findall(r"[\d,.]*\d", cell) for cell in figures.split("|")[2:5]]
        for shown, there in zip(row.split("|")[1:4], designs, strict=True):
            assert there[0] in shown or "no answer" in shown


def test_recording_shows_the_exchange_of_the_readme() -> None:
    """It shows the same search with the same result; it is small and self-contained."""
    picture = RECORDING.read_text(encoding="utf-8")
    shown = re.sub(r"<[^>]+>", "", picture)
    (exchange,) = re.findall(r"```console\n\$ (.*)\n(.*)\n```", README)

    command, printed = exchange
    assert f"$ {command} --local" in shown
    assert not [part for part in printed.split("\t") if part not in shown]
    assert len(picture) < 60_000
    assert ["http://www.w3.org/2000/svg"] == re.findall(r"https?://[^\"]+", picture)
