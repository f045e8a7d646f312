"""Rules and dashboard: valid, and with data from the running stack."""

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
"""Alerts without data in the stack, which uses plain text and has neither tokens nor a policy."""
_COMPARISON = re.compile(r"(?<![=!~<>])(==|!=|>=|<=|>|<)(?![=~])")
_QUOTED = re.compile(r'("[^"]*"|\{[^}]*\})')


def dashboard_queries() -> Iterator[tuple[str, str]]:
    """Yield each panel's title and each of its queries, with the dashboard's variables replaced."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$instance", ".*").replace("$__rate_interval", "2m")
            yield panel["title"], query


def without_thresholds(expression: str) -> str:
    """Return `expression` with comparisons that return 0 or 1 instead of filtering.

    An alert that does not fire returns nothing, and so does one with a wrong metric name. With
    ``bool`` the first one returns data and the second still nothing. ``absent`` is the opposite:
    it is replaced by a count of the same series.
    """
    parts = _QUOTED.split(expression.replace("absent(", "count("))
    return "".join(
        part if part[:1] in {'"', "{"} else _COMPARISON.sub(r"\1 bool", part) for part in parts
    )


def test_without_thresholds_changes_comparisons_alone() -> None:
    """Label matchers look similar, but are not changed."""
    assert 'up{job="a>b", c!="d"} == bool 0 and x >= bool 1' == without_thresholds(
        'up{job="a>b", c!="d"} == 0 and x >= 1'
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        # The files of its certificates are not there.
        ("check", "config", "--syntax-only", "prometheus-tls.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_accepts_the_files(arguments: tuple[str, ...]) -> None:
    """Configuration and rules are valid, and each alert fires exactly when it should."""
    promtool(*arguments)  # fails with what is wrong


def test_promtool_accepts_the_exposition(stack: Stack) -> None:
    """The exposition follows Prometheus's conventions."""
    with urlopen(f"http://{stack.address('server', 9464)}/metrics", timeout=10) as response:
        exposition = response.read().decode()

    assert "" == promtool("check", "metrics", text=exposition)


def test_without_thresholds_counts_what_must_not_be_absent() -> None:
    """The series of an ``absent`` alert must exist under the name that it uses."""
    assert 'count(up{job="a"})' == without_thresholds('absent(up{job="a"})')


def test_every_alert_and_rule_is_loaded_and_evaluates(stack: Stack, job: Job) -> None:
    """Prometheus evaluates each rule without an error, and each has data after the job."""
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
    """Each query of the dashboard returns numbers after the job."""
    assert has_data(stack, query, job.ended), title


def has_data(stack: Stack, query: str, at: float) -> bool:
    """Return whether a query returns a number at the end of the job."""
    return any(math.isfinite(sample.value) for sample in stack.query(query, at))
