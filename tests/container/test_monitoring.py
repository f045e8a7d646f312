"""The rules and the dashboard: sound by themselves, and with data from the live stack."""

import json
import math
import re
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from tests.container.conftest import Job
from tests.container.stack import ROOT, Stack, promtool

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]

DASHBOARD = ROOT / "deploy/grafana/dashboards/hashfinder.json"
WITHOUT_DATA = {
    "HashFinderAccessNotReloaded",
    "HashFinderCertificateExpires",
    "HashFinderCertificateNotReloaded",
}
"""Alerts without data in the stack, which speaks plain text, and has neither tokens nor policy."""
_COMPARISON = re.compile(r"(?<![=!~<>])(==|!=|>=|<=|>|<)(?![=~])")
_QUOTED = re.compile(r'("[^"]*"|\{[^}]*\})')


def dashboard_queries() -> Iterator[tuple[str, str]]:
    """Yield each panel's title with each of its queries, the dashboard's variables filled in."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$instance", ".*").replace("$__rate_interval", "2m")
            yield panel["title"], query


def without_thresholds(expression: str) -> str:
    """Return `expression` with 0 or 1 for what each comparison would keep or drop.

    An alert that does not fire answers nothing, and so does one whose metric has another name.
    With ``bool`` the one has data, the other has none. ``absent`` is the other way round, and is
    replaced by a count of the same series.
    """
    parts = _QUOTED.split(expression.replace("absent(", "count("))
    return "".join(
        part if part[:1] in {'"', "{"} else _COMPARISON.sub(r"\1 bool", part) for part in parts
    )


def test_without_thresholds_changes_comparisons_alone() -> None:
    """Matchers, which look alike, stay as they are."""
    assert 'up{job="a>b", c!="d"} == bool 0 and x >= bool 1' == without_thresholds(
        'up{job="a>b", c!="d"} == 0 and x >= 1'
    )


@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_promtool_accepts_the_files(arguments: tuple[str, ...]) -> None:
    """Configuration and rules are valid, and the alerts fire when they should and only then."""
    promtool(*arguments)  # fails with what is wrong


def test_promtool_accepts_the_exposition(stack: Stack) -> None:
    """What the server exposes follows Prometheus's own conventions."""
    with urlopen(f"http://{stack.address('server', 9464)}/metrics", timeout=10) as response:
        exposition = response.read().decode()

    assert "" == promtool("check", "metrics", text=exposition)


def test_without_thresholds_counts_what_must_not_be_absent() -> None:
    """The series that the alert misses must have existed, under the name that it asks for."""
    assert 'count(up{job="a"})' == without_thresholds('absent(up{job="a"})')


def test_every_alert_and_rule_is_loaded_and_evaluates(stack: Stack, job: Job) -> None:
    """Prometheus evaluates each rule without error, and each has data after the job."""
    rules = [rule for group in stack.prometheus("rules")["groups"] for rule in group["rules"]]
    written = "".join(
        (ROOT / "deploy/prometheus" / name).read_text(encoding="utf-8")
        for name in ("recording.yml", "alerts.yml")
    )
    names = re.findall(r"- (?:alert|record): (\S+)", written)

    assert sorted(names) == sorted(rule["name"] for rule in rules)
    assert [] == [rule["name"] for rule in rules if rule["health"] != "ok"]
    for rule in rules:
        expected = rule["name"] not in WITHOUT_DATA
        answered = has_data(stack, without_thresholds(rule["query"]), job.ended)
        assert expected == answered, rule["name"]
        if rule["type"] == "recording":
            assert has_data(stack, rule["name"], job.ended), rule["name"]
        else:
            assert [] == rule["alerts"], "nothing is wrong after the job"


@pytest.mark.parametrize(
    ("title", "query"),
    [pytest.param(*each, id=f"{n}-{each[0]}") for n, each in enumerate(dashboard_queries())],
)
def test_every_panel_has_data(stack: Stack, job: Job, title: str, query: str) -> None:
    """Each query of the dashboard answers with numbers after the job."""
    assert has_data(stack, query, job.ended), title


def has_data(stack: Stack, query: str, at: float) -> bool:
    """Tell whether a query answers with a number at the end of the job."""
    return any(math.isfinite(sample.value) for sample in stack.query(query, at))
