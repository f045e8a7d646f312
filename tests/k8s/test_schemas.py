"""Every kustomization renders, and every object matches the API server's schemas."""

import re
import subprocess
import sys

import pytest
import yaml
from kubernetes_validate.utils import ValidationError, latest_version, validate

from tests.k8s.manifests import (
    K8S,
    KUSTOMIZATIONS,
    ROOT,
    WITH_TLS,
    Object,
    one_of,
    rendered,
)

pytestmark = pytest.mark.k8s

OLDEST = (1, 33)
NEWEST = tuple(int(part) for part in latest_version().split(".")[:2])
VERSIONS = [
    f"{major}.{minor}" for major, minor in [(1, n) for n in range(OLDEST[1], NEWEST[1] + 1)]
]
CUSTOM = {"PodMonitor", "PrometheusRule", "Certificate"}


def test_versions_reach_the_newest() -> None:
    """The version that the manifests are written for is among them."""
    assert "1.36" in VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_objects_are_valid(name: str, version: str) -> None:
    """In strict mode an unknown field is an error."""
    validated = 0
    for each in rendered(name):
        if each["kind"] not in CUSTOM:
            validate(each, version, strict=True)
            validated += 1
    assert validated


def test_validation_is_strict() -> None:
    """The schemas reject a misspelt field."""
    bad = {**one_of("base", "Deployment")}
    bad["spec"] = {**bad["spec"], "minReadySecond": 1}
    with pytest.raises(ValidationError, match="minReadySecond"):
        validate(bad, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_objects_are_unique_and_in_one_namespace(name: str) -> None:
    """All objects but the namespace are in it, and none comes twice."""
    ids = [(each["kind"], each["metadata"]["name"]) for each in rendered(name)]
    assert len(ids) == len(set(ids))
    for each in rendered(name):
        if each["kind"] == "Namespace":
            assert "hashfinder" == each["metadata"]["name"]
        else:
            assert "hashfinder" == each["metadata"]["namespace"]


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_objects_have_the_recommended_labels(name: str) -> None:
    """Name, part-of and, except for shared objects, component."""
    for each in rendered(name):
        labels = each["metadata"]["labels"]
        assert "hashfinder" == labels["app.kubernetes.io/name"]
        assert "hashfinder" == labels["app.kubernetes.io/part-of"]
        if each["kind"] not in {"Namespace", "ServiceAccount"}:
            assert labels["app.kubernetes.io/component"] in {"server", "client", "web"}


def test_demo_needs_nothing_but_kubernetes() -> None:
    """No custom resource, no registry. Without metrics its autoscaler never scales."""
    assert not CUSTOM & {each["kind"] for each in rendered("overlays/demo")}
    scaler = one_of("overlays/demo", "HorizontalPodAutoscaler")["spec"]
    policies = {how: rule["selectPolicy"] for how, rule in scaler["behavior"].items()}
    assert {"scaleUp": "Disabled", "scaleDown": "Disabled"} == policies
    assert 2 == scaler["minReplicas"]


def test_every_file_is_part_of_a_kustomization() -> None:
    """The only exception is a file for another program."""
    for folder in (K8S / name for name in KUSTOMIZATIONS):
        text = (folder / "kustomization.yaml").read_text(encoding="utf-8")
        used = set(re.findall(r"[\w-]+\.(?:yaml|env)\b", text))
        there = {each.name for each in folder.iterdir()}
        assert there == used | {"kustomization.yaml"}


def test_rules_are_those_of_the_compose_stack() -> None:
    """The object has the groups of both files unchanged, and was made by `make rules`."""
    files = [ROOT / "deploy/prometheus" / name for name in ("recording.yml", "alerts.yml")]
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    rule = one_of("overlays/production", "PrometheusRule")
    made = subprocess.run(
        [sys.executable, ROOT / "deploy/prometheus_rule.py"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert "monitoring.coreos.com/v1" == rule["apiVersion"]
    assert {"groups": groups} == rule["spec"]
    written = (K8S / "overlays/production/prometheus-rule.yaml").read_text(encoding="utf-8")
    assert made == written, "run: make rules"


def test_monitor_scrapes_the_servers_under_the_name_that_the_rules_know() -> None:
    """The port is found by name, and the job is the one that the alerts use."""
    monitor = one_of("overlays/production", "PodMonitor")
    template = one_of("overlays/production", "Deployment")["spec"]["template"]
    labels: Object = template["metadata"]["labels"]
    ports = {port["name"] for each in template["spec"]["containers"] for port in each["ports"]}

    assert "monitoring.coreos.com/v1" == monitor["apiVersion"]
    assert {"jobLabel", "selector", "podMetricsEndpoints"} == monitor["spec"].keys()
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert {"port": "metrics", "interval": "15s"} == endpoint
    assert "metrics" in ports
    job = labels[monitor["spec"]["jobLabel"]]
    alerts = (ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8")
    assert {job} == set(re.findall(r'job="(\w+)"', alerts))


def test_monitor_shows_a_certificate_to_servers_with_tls() -> None:
    """They serve metrics to those with a certificate alone; it knows them by a name of theirs."""
    certificates = {
        each["spec"]["secretName"]: each["spec"]
        for each in rendered(WITH_TLS)
        if each["kind"] == "Certificate"
    }
    [endpoint] = one_of(WITH_TLS, "PodMonitor")["spec"]["podMetricsEndpoints"]
    tls = endpoint["tlsConfig"]
    own = tls["cert"]["secret"]
    assert "https" == endpoint["scheme"]
    assert tls["serverName"] in certificates[tls["ca"]["secret"]["name"]]["dnsNames"]
    assert "client auth" in certificates[own["name"]]["usages"]
    assert {"name": own["name"], "key": "tls.key"} == tls["keySecret"]
    [settings] = [each for each in rendered(WITH_TLS) if each["kind"] == "ConfigMap"]
    assert "/etc/hashfinder/tls/ca.crt" == settings["data"]["HASHFINDER_METRICS_CLIENT_CA"]


def test_custom_resources_are_in_production_alone() -> None:
    """Production has them, with the certificate for TLS."""
    found = {name: {each["kind"] for each in rendered(name)} & CUSTOM for name in KUSTOMIZATIONS}
    monitoring = {"PodMonitor", "PrometheusRule"}
    assert {"overlays/production": monitoring, WITH_TLS: CUSTOM} == {
        name: kinds for name, kinds in found.items() if kinds
    }
