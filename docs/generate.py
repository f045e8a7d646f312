"""Write the tables of `operations.md` that come from the code, or check that they are up to date.

The settings' table comes from their definitions, and its column of what is allowed from the errors
that refuse a wrong value. The metrics' table comes from what a server exposes.
"""

import argparse
import difflib
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.request import urlopen

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from hashfinder.config import Settings, SettingsInvalidError, load_settings

GUIDE = Path(__file__).resolve().parent / "operations.md"
STOP_SECONDS = 20
SERVER = ("-m", "hashfinder", "--port", "0", "--metrics-port", "0", "--drain-grace", "0")


def settings_table() -> str:
    """Return a row for each setting, in the order of their definition."""
    rows = []
    for name, field in Settings.model_fields.items():
        variable = f"HASHFINDER_{name.upper()}"
        default = "not set" if field.default is None else f"`{field.default}`"
        meaning = f"{field.description}"
        rows.append((f"`{variable}`", f"`{_flag(name)}`", default, _allowed(name), meaning))
    return _table(("variable", "flag", "default", "allowed", "meaning"), rows)


def metrics_table(exposition: str) -> str:
    """Return a row for each metric of ours in an exposition; `process_*` is the library's."""
    rows = []
    for family in text_string_to_metric_families(exposition):
        if family.name.startswith("process_"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in _labels(family)) or "none"
        rows.append((f"`{name}`", family.type, labels, family.documentation))
    return _table(("metric", "type", "labels", "meaning"), rows)


def live_exposition() -> str:
    """Return what a server exposes that was started for it."""
    with subprocess.Popen(
        [sys.executable, *SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            announcement = server.stdout.readline() if server.stdout else ""
            announced = re.search(r"metrics (\S+),", announcement)
            if announced is None:
                message = "the server did not start"
                raise RuntimeError(message)
            with urlopen(announced[1], timeout=5) as response:  # noqa: S310  # our own server
                exposition: str = response.read().decode()
        finally:
            server.terminate()
            server.wait(STOP_SECONDS)
    return exposition


def filled(text: str, tables: dict[str, str]) -> str:
    """Return `text` with each table put between the comments that name it.

    Raises:
        ValueError: the comments of a table are not there exactly once.
    """
    for name, table in tables.items():
        begin, end = f"<!-- {name}: make docs -->\n", f"<!-- {name}: end -->"
        if (text.count(begin), text.count(end)) != (1, 1):
            message = f"the comments around the table {name!r} must be there once"
            raise ValueError(message)
        before, _, rest = text.partition(begin)
        text = before + begin + table + end + rest.partition(end)[2]
    return text


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if a table is out of date"
    )
    parser.add_argument("guide", nargs="?", type=Path, default=GUIDE, help="the file with tables")
    arguments = parser.parse_args()
    old = arguments.guide.read_text(encoding="utf-8")
    tables = {"settings": settings_table(), "metrics": metrics_table(live_exposition())}
    new = filled(old, tables)
    if not arguments.check:
        arguments.guide.write_text(new, encoding="utf-8")
        return 0
    is_, should_be = (text.splitlines(keepends=True) for text in (old, new))
    sys.stdout.writelines(difflib.unified_diff(is_, should_be, "as it is", "as it should be"))
    if old != new:
        sys.stderr.write(f"{arguments.guide.name} is out of date. Run: make docs\n")
    return int(old != new)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _allowed(name: str) -> str:
    """Return what a setting may be, as the error that refuses a wrong value says it."""
    try:
        load_settings([_flag(name), "?"])
    except SettingsInvalidError as error:
        allowed = re.search(r"must be (.*), not '\?'", str(error))
        if allowed is None:
            raise
        return allowed[1]
    return "a text"


def _labels(family: Metric) -> list[str]:
    ours = {label for sample in family.samples for label in sample.labels}
    return sorted(ours - {"le"})


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    sys.exit(main())
