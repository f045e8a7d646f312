"""The operators' guide agrees with the code, and each alert has a section in it."""

import json
import re
from pathlib import Path

import pytest

from docs.links import anchors

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/operations.md"
PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARD = ROOT / "deploy/grafana/dashboards/hashfinder.json"


def alerts() -> list[str]:
    """Return the text of each alert, starting with its name."""
    return re.split(r"- alert: ", (PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))[1:]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert).split(maxsplit=1)[0])
def test_alert_says_what_is_wrong_and_where_to_read_on(alert: str) -> None:
    """An alert has a severity, a summary, a description, and a section in the guide."""
    name = alert.split(maxsplit=1)[0]

    assert re.search(r"severity: (critical|warning|info)\b", alert)
    assert re.search(r"^ +summary: .+$", alert, re.MULTILINE)
    assert re.search(r"^ +description: .+$", alert, re.MULTILINE)
    assert f"runbook_url: docs/operations.md#{name.lower()}\n" in alert
    assert name.lower() in anchors(GUIDE)


def test_every_alert_is_shown_to_fire_and_not_to_fire() -> None:
    """The rules' unit tests have a time at which it fires, and one at which it does not."""
    tests = (PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8")
    shown = re.findall(r"alertname: (\w+)\n +eval_time: \S+\n( +exp_alerts:)?", tests)

    for alert in alerts():
        name = alert.split(maxsplit=1)[0]
        assert {True, False} == {bool(fires) for each, fires in shown if each == name}, name


def test_guide_names_every_recording_rule() -> None:
    """The table of recorded series lists the rules in their order."""
    rules = (PROMETHEUS / "recording.yml").read_text(encoding="utf-8")
    guide = GUIDE.read_text(encoding="utf-8")

    recorded = re.findall(r"record: (\S+)", rules)
    assert recorded == re.findall(r"^\| `(\w+:\w+:\w+)` \|", guide, re.MULTILINE)


def test_dashboard_is_complete() -> None:
    """Each panel has a title, a description, a position and the provisioned data source."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    shown = [panel for panel in panels if panel["type"] != "row"]

    assert len(panels) == len({panel["id"] for panel in panels})
    for panel in shown:
        assert panel["title"]
        assert panel["description"]
        assert {"prometheus"} == {target["datasource"]["uid"] for target in panel["targets"]}
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (place["x"] + x, place["y"] + y)
        for place in places
        for x in range(place["w"])
        for y in range(place["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"
