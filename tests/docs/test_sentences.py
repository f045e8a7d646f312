"""Numbers in sentences are those of the code: a changed constant finds the pages that name it."""

import json
import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import BaseModel

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.view.ending import Ending
from hashfinder_cli.view.json_lines import end_line, progress_line, result_line
from tests.unit.cli.view.findings import FIELDS, FINDING, REPORT

ROOT = Path(__file__).parents[2]
ARCHITECTURE, CANCELLATION = "docs/architecture.md", "docs/cancellation.md"
CONTRACT = "proto/hash_name.proto"
WORDS = {"four": 4.0}

# The page, the sentence with its number in parentheses, the constant, the unit of the number.
SENTENCES: list[tuple[str, str, str, float]] = [
    (ARCHITECTURE, r"for at most (\d+) µs", "app:_FIRST_STEP_SECONDS", 1e-6),
    (ARCHITECTURE, r"blocks and (\d+) µs", "app:_FIRST_STEP_SECONDS", 1e-6),
    (CANCELLATION, r"the first (\d+) microseconds of a search", "app:_FIRST_STEP_SECONDS", 1e-6),
    (ARCHITECTURE, r"up to ([\d,]+) blocks", "scheduling.pace:_MOST_FIRST_BLOCKS", 1),
    (ARCHITECTURE, r"results \((\d+)\)", "search.engine:Bounds.hits_per_chunk", 1),
    (ARCHITECTURE, r"when (\d+) results wait", "search.engine:Bounds.results", 1),
    (ARCHITECTURE, r"with at most (\d+) connections", "observability.exposition:_CONNECTIONS", 1),
    (ARCHITECTURE, r"Workers run at niceness (\d+)", "runtime.niceness:_NICENESS", 1),
    (
        ARCHITECTURE,
        r"more than (\d+) ms and 1 %",
        "transport.classify:_DEADLINE_SLACK_SECONDS",
        1e-3,
    ),
    (ARCHITECTURE, r"than 25 ms and (\d+) %", "transport.classify:_DEADLINE_SLACK_RATIO", 1e-2),
    (ARCHITECTURE, r"which waits (\d+) ms", "transport.abandonment:_SETTLE_SECONDS", 1e-3),
    (
        ARCHITECTURE,
        r"Signals within ([\d.]+) s of",
        "hashfinder_process.entry:_SAME_SIGNAL_SECONDS",
        1,
    ),
    (ARCHITECTURE, r"\| ([\d.]+) s, or g \|", "lifecycle:_LINGER_SECONDS", 1),
    (ARCHITECTURE, r"m the margin of (\d+) s", "lifecycle:DrainTimes.margin", 1),
    (ARCHITECTURE, r"`chunk_seconds` \((\d+) ms\)", "config:Settings.chunk_seconds", 1e-3),
    (CANCELLATION, r"each of about (\w+) milliseconds", "config:Settings.chunk_seconds", 1e-3),
    (
        CONTRACT,
        r"did not come within // (\d+) seconds",
        "transport.interceptor:_MESSAGE_SECONDS",
        1,
    ),
]


@pytest.mark.parametrize(("page", "sentence", "constant", "unit"), SENTENCES)
def test_number_is_that_of_the_code(page: str, sentence: str, constant: str, unit: float) -> None:
    """In every place where the sentence stands."""
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    found = re.findall(sentence, text)
    assert found, f"{page} has no such sentence"
    for each in found:
        number = WORDS.get(each) or float(each.replace(",", ""))
        assert number * unit == pytest.approx(value_of(constant))


def value_of(constant: str) -> float:
    """Return a constant of a module, most often the server's, or the default of a field there."""
    module, _, name = constant.partition(":")
    owner, _, field = name.partition(".")
    module = module if module.startswith("hashfinder_") else f"hashfinder.{module}"
    found = getattr(import_module(module), owner)
    if field and issubclass(found, BaseModel):
        return float(found.model_fields[field].default)
    if field:
        found = {each.name: each.default for each in fields(found)}[field]
    return float(found)


def test_guide_lists_every_variant_of_the_kernel() -> None:
    """No page counts them."""
    guide = " ".join((ROOT / "docs/kernel.md").read_text(encoding="utf-8").split())
    [order] = re.findall(r'`load_kernel\("auto"\)` takes the first of (.*?) that', guide)
    listed = re.findall(r"`native-(\w+)`", order)
    setup = (ROOT / "services/hashfinder/setup.py").read_text(encoding="utf-8")
    assert sorted(re.findall(r'"(\w+)": \(\d+, ', setup)) == sorted(listed)
    for page in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        counted = re.search(r"\b(two|three|four|five|six|\d) variants\b", page.read_text("utf-8"))
        assert not counted, page


def test_filter_of_the_readme_prints_secrets_alone() -> None:
    """It leaves out the other lines of `--json`, which have no secret to print."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [(kind, field)] = re.findall(r"--json \| jq 'select\(\.type == \"(\w+)\"\)\.(\w+)'", readme)
    end = Ending(code=ExitCode.FOUND, sentence="")
    lines = [
        json.loads(line) for line in (result_line(FINDING), progress_line(REPORT), end_line(end))
    ]
    assert [FIELDS["secret"]] == [line[field] for line in lines if line["type"] == kind]
