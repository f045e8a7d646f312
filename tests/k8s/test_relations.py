"""The manifests agree with the program and with each other."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.certs import Authority
from hashfinder.config import Settings
from hashfinder.domain.address import TcpAddress, UnixAddress
from hashfinder.lifecycle import DrainTimes
from hashfinder_client.target import BALANCED, check_target
from tests.integration.server_process import ServerProcess, run_server
from tests.k8s.manifests import (
    K8S,
    KUSTOMIZATIONS,
    ROOT,
    SERVERS,
    WITH_TLS,
    Object,
    all_of,
    configured,
    containers,
    one_of,
    pod_templates,
    rendered,
    selects,
)

pytestmark = pytest.mark.k8s

CLIENTS = (("overlays/demo", "hashfinder-tour"), ("sharded-search", "hashfinder-search"))
DNS = [{"port": port, "protocol": protocol} for port in (53, 5353) for protocol in ("UDP", "TCP")]
"""Before the Service's address is translated, and after it, as on OpenShift."""
_UNITS = {"m": 1e-3, "": 1.0, "Mi": 2.0**20}


def server(name: str) -> Object:
    """Return the pod template of the servers."""
    template = one_of(name, "Deployment", "hashfinder")["spec"]["template"]
    assert isinstance(template, dict)
    return template


def container(name: str) -> Object:
    """Return the only container of the servers."""
    [only] = server(name)["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def labels(name: str, job: str | None = None) -> dict[str, str]:
    """Return the labels of the servers' pods, or of a Job's pods."""
    template = one_of(name, "Job", job)["spec"]["template"] if job else server(name)
    return dict(template["metadata"]["labels"])


def services(name: str) -> list[Object]:
    """Return the Services of the servers."""
    component = "app.kubernetes.io/component"
    return [s for s in all_of(name, "Service") if s["spec"]["selector"][component] == "server"]


def settings(name: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings of the servers in an overlay."""
    for variable in [each for each in os.environ if each.startswith("HASHFINDER_")]:
        monkeypatch.delenv(variable)
    for variable, value in configured(name, container(name)).items():
        monkeypatch.setenv(variable, value)
    return Settings.load([])


def ports(name: str) -> dict[str, int]:
    """Return the ports of the servers by name."""
    return {port["name"]: port["containerPort"] for port in container(name)["ports"]}


def number(quantity: str | float) -> float:
    """Return the value of a Kubernetes quantity."""
    found = re.fullmatch(r"([\d.]+)(m|Mi|)", str(quantity))
    assert found, quantity
    return float(found[1]) * _UNITS[found[2]]


@pytest.fixture(scope="module", params=SERVERS)
def overlay(request: pytest.FixtureRequest) -> str:
    """Each kustomization that has servers."""
    return str(request.param)


def test_settings_exist_and_are_valid(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This includes their names, because the server ignores unknown variables."""
    known = {f"HASHFINDER_{name.upper()}" for name in Settings.model_fields}
    assert configured(overlay, container(overlay)).keys() <= known
    found = settings(overlay, monkeypatch)
    assert "native" == found.kernel
    assert found.host in {"0.0.0.0", "::"}  # noqa: S104  # all addresses of the pod
    assert found.connection_age_seconds > 0


def test_ports_are_those_that_the_server_listens_on(
    overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the container, the probes, both Services, the policy, and the image."""
    found = settings(overlay, monkeypatch)
    health = found.side_address("health_listen")
    expected = {"grpc": found.port, "metrics": found.metrics_port}
    if isinstance(health, TcpAddress):
        expected["health"] = health.port
    assert expected == ports(overlay)
    for kind in ("startup", "liveness", "readiness"):
        probed = container(overlay)[f"{kind}Probe"]["grpc"]["port"]
        assert expected.get("health", found.port) == probed
    for each in services(overlay):
        [port] = each["spec"]["ports"]
        assert ("grpc", found.port) == (port["targetPort"], port["port"])
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert f"EXPOSE {found.port} {found.metrics_port}\n" in dockerfile


def test_probes_are_answered(overlay: str, tmp_path: Path) -> None:
    """A real server with these settings, on its own ports, answers each probe."""
    probes = {
        kind: container(overlay)[f"{kind}Probe"]["grpc"]["service"]
        for kind in ("startup", "liveness", "readiness")
    }
    assert {"startup": "", "liveness": "", "readiness": "hash_name.HashFinder"} == probes
    own: tuple[str, ...] = (
        "--host=127.0.0.1",
        "--port=0",
        "--metrics-port=0",
        "--kernel=auto",
        "--drain-delay=0",
    )
    given = configured(overlay, container(overlay))
    if "HASHFINDER_TLS_CERTIFICATE" in given:
        authority = Authority()
        certificate, key = authority.server().write(tmp_path, "server")
        (tmp_path / "ca.pem").write_bytes(authority.pem)
        own += (f"--tls-certificate={certificate}", f"--tls-key={key}")
        own += (f"--metrics-client-ca={tmp_path}/ca.pem",)
        own += ("--health-listen=127.0.0.1:0", f"--admin-listen=unix:{tmp_path}/admin")
    with run_server(*own, env=given) as running:
        probed = running.logs("serving")[0]["health"] or running.address
        with grpc.insecure_channel(probed) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            for service in probes.values():
                answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
                assert health_pb2.HealthCheckResponse.SERVING == answer.status
        assert running.logs(), "it logs JSON"


def test_grace_period_is_longer_than_the_drain(
    overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PreStop, delay, grace and the time for the last answers, plus some seconds."""
    found = settings(overlay, monkeypatch)
    times = DrainTimes(found.drain_delay, found.drain_grace)
    drain = times.delay + times.grace + 3 * times.margin
    pre_stop = container(overlay)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pre_stop > 0
    assert pre_stop + drain + 5 <= server(overlay)["spec"]["terminationGracePeriodSeconds"]


def test_normal_drain_fires_no_alert(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule, which is the same everywhere, waits for longer."""
    found = settings(overlay, monkeypatch)
    alerts = (ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8")
    [minutes] = re.findall(r"alert: HashFinderDrainTooLong\n.*\n +for: (\d+)m\n", alerts)
    assert found.drain_delay + found.drain_grace + 6 < 60 * int(minutes)


def test_selectors_match_servers_alone(overlay: str) -> None:
    """Those of Deployment, Services, budget, spread and policy never match a client's pod."""
    deployment = one_of(overlay, "Deployment", "hashfinder")["spec"]
    selectors = [
        deployment["selector"],
        *(each["labelSelector"] for each in server(overlay)["spec"]["topologySpreadConstraints"]),
        *(each["spec"]["selector"] for each in services(overlay)),
        one_of(overlay, "PodDisruptionBudget")["spec"]["selector"],
        one_of(overlay, "NetworkPolicy", "hashfinder-server")["spec"]["podSelector"],
    ]
    assert 7 == len(selectors)
    for selector in selectors:
        assert selects(selector, labels(overlay))
        assert not any(selects(selector, labels(*client)) for client in CLIENTS)


_FOR_OTHERS = ("grpc", "metrics")
_MONITORING = {"kubernetes.io/metadata.name": "monitoring"}


def test_servers_accept_grpc_and_scrapes_and_open_no_connections(overlay: str) -> None:
    """Ingress: the ports of the container. Egress: DNS."""
    policy = one_of(overlay, "NetworkPolicy", "hashfinder-server")["spec"]
    assert {"Ingress", "Egress"} == set(policy["policyTypes"])
    # Policies do not apply to the kubelet, which uses the health port.
    grpc, metrics = ({"port": ports(overlay)[name], "protocol": "TCP"} for name in _FOR_OTHERS)
    if "production" in overlay:  # metrics are plain HTTP, and describe all clients
        prometheus = {"namespaceSelector": {"matchLabels": _MONITORING}}
        expected = [{"ports": [grpc]}, {"from": [prometheus], "ports": [metrics]}]
    else:
        expected = [{"ports": [grpc, metrics]}]
    assert expected == policy["ingress"]
    assert [{"ports": DNS}] == policy["egress"]


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_reach_the_servers_alone(overlay: str, client: tuple[str, str]) -> None:
    """The policy selects the Jobs' pods, and allows them the servers' port."""
    policy = one_of(overlay, "NetworkPolicy", "hashfinder-client")["spec"]
    assert selects(policy["podSelector"], labels(*client))
    assert not selects(policy["podSelector"], labels(overlay))
    assert {"Ingress", "Egress"} == set(policy["policyTypes"])
    assert "ingress" not in policy
    dns, grpc = policy["egress"]
    assert {"ports": DNS} == dns
    [to] = grpc["to"]
    assert {"podSelector"} == to.keys()
    assert selects(to["podSelector"], labels(overlay))
    assert [{"port": ports(overlay)["grpc"], "protocol": "TCP"}] == grpc["ports"]


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_use_every_server(client: tuple[str, str]) -> None:
    """They use the headless Service with dns:///, in turn."""
    [headless] = [
        each["metadata"]["name"]
        for each in all_of("base", "Service")
        if each["spec"].get("clusterIP") == "None"
    ]
    expected = f"dns:///{headless}:{ports('base')['grpc']}"
    for each in containers(one_of(client[0], "Job", client[1])["spec"]["template"]):
        target = configured(client[0], each)["HASHFINDER_SERVER"]
        assert expected == check_target(target)
        assert target.startswith(BALANCED)


def test_headless_service_lists_ready_pods_alone(overlay: str) -> None:
    """Clients must not balance over pods that are not ready."""
    headless = one_of(overlay, "Service", "hashfinder-headless")["spec"]
    assert headless["publishNotReadyAddresses"] is False


def test_rolling_update_removes_no_pod_before_the_new_one_is_ready(overlay: str) -> None:
    """There are never fewer than requested."""
    rolling = one_of(overlay, "Deployment", "hashfinder")["spec"]["strategy"]["rollingUpdate"]
    assert 0 == rolling["maxUnavailable"]
    assert rolling["maxSurge"] >= 1


def test_budget_allows_draining_a_node_and_keeps_a_server(overlay: str) -> None:
    """With the minimum of replicas, one pod may go and one stays."""
    budget = one_of(overlay, "PodDisruptionBudget")["spec"]
    assert {"maxUnavailable", "unhealthyPodEvictionPolicy", "selector"} == budget.keys()
    assert 1 <= budget["maxUnavailable"] < fewest_replicas(overlay)


def fewest_replicas(name: str) -> int:
    """Return the autoscaler's minimum of servers."""
    return int(one_of(name, "HorizontalPodAutoscaler")["spec"]["minReplicas"])


def test_no_apply_sets_or_resets_the_replicas(overlay: str) -> None:
    """Applying overlays in any order keeps the running servers; none allows fewer than two.

    A field that one manifest sets and the next does not is reset: the replicas, to one.
    """
    assert "replicas" not in one_of(overlay, "Deployment", "hashfinder")["spec"]
    assert fewest_replicas(overlay) >= 2


def test_overlays_agree_on_immutable_fields(overlay: str) -> None:
    """Selectors and names are the base's, so that one overlay can be applied over another."""
    for kind in ("Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"):
        base = {each["metadata"]["name"]: each["spec"] for each in all_of("base", kind)}
        here = {each["metadata"]["name"]: each["spec"] for each in all_of(overlay, kind)}
        assert base.keys() <= here.keys()
        for name, spec in base.items():
            for field in ("selector", "clusterIP", "scaleTargetRef"):
                assert spec.get(field) == here[name].get(field)


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_pods_have_a_default_container(name: str) -> None:
    """`kubectl logs` then prints no remark about defaults."""
    for _, template in pod_templates(name):
        annotations = template["metadata"]["annotations"]
        main = annotations["kubectl.kubernetes.io/default-container"]
        assert [main] == [each["name"] for each in template["spec"]["containers"]]


@pytest.mark.parametrize("name", ["base", "overlays/production"])
def test_autoscaler_scales_the_deployment_slowly(name: str) -> None:
    """It removes one pod at a time."""
    spec = one_of(name, "HorizontalPodAutoscaler")["spec"]
    target = spec["scaleTargetRef"]
    deployment = one_of(name, "Deployment")
    assert ("Deployment", "apps/v1", deployment["metadata"]["name"]) == (
        target["kind"],
        target["apiVersion"],
        target["name"],
    )
    assert spec["minReplicas"] < spec["maxReplicas"]
    down = spec["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] >= 300
    assert [{"type": "Pods", "value": 1, "periodSeconds": 120}] == down["policies"]


def test_base_scales_on_cpu() -> None:
    """In percent of the request, which is less than the limit."""
    [metric] = one_of("base", "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert ("Resource", "cpu") == (metric["type"], metric["resource"]["name"])
    assert metric["resource"]["target"]["averageUtilization"] <= 100


def test_production_scales_on_searches_that_the_servers_report(shared: ServerProcess) -> None:
    """The adapter's metric is computed from series that exist."""
    [metric] = one_of("overlays/production", "HorizontalPodAutoscaler")["spec"]["metrics"]
    rules = (K8S / "overlays/production/adapter-rules.yaml").read_text(encoding="utf-8")
    [rule] = yaml.safe_load(rules)
    assert "Pods" == metric["type"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]

    series = {name for name, _ in shared.samples()}
    asked = re.findall(r"hashfinder_\w+", rule["seriesQuery"] + rule["metricsQuery"])
    assert {"hashfinder_searches_active", "hashfinder_searches_queued"} == set(asked)
    assert set(asked) <= series


@pytest.fixture(scope="module")
def shared() -> Any:  # noqa: ANN401  # a generator, as pytest takes it
    """Run a server."""
    with run_server("--workers=1") as running:
        yield running


@pytest.mark.parametrize("name", ["base", "overlays/demo", "overlays/production", "sharded-search"])
def test_resource_requests_are_within_the_limits(name: str) -> None:
    """A server has part of a core beside its workers, one worker per whole core."""
    for _, template in pod_templates(name):
        for each in containers(template):
            resources = each["resources"]
            for what in ("cpu", "memory"):
                wanted, limit = (number(resources[kind][what]) for kind in ("requests", "limits"))
                assert 0 < wanted <= limit
    if name in SERVERS:
        cores = number(container(name)["resources"]["limits"]["cpu"])
        assert cores >= 1
        assert 0.5 == cores % 1


@pytest.mark.parametrize("name", ["overlays/demo", "sharded-search"])
def test_image_is_the_one_that_make_builds(name: str) -> None:
    """It is loaded into the cluster and never pulled."""
    [image] = re.findall(r"^IMAGE \?= (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for _, template in pod_templates(name):
        for each in containers(template):
            assert (image, "IfNotPresent") == (each["image"], each["imagePullPolicy"])


def test_production_runs_the_version_of_this_tree() -> None:
    """In the image's tag and in the labels."""
    project = (ROOT / "services/hashfinder/pyproject.toml").read_text(encoding="utf-8")
    version = tomllib.loads(project)["project"]["version"]
    assert f"hashfinder:{version}" == container("overlays/production")["image"]
    for each in rendered("overlays/production"):
        assert version == each["metadata"]["labels"]["app.kubernetes.io/version"]
    assert version == labels("overlays/production")["app.kubernetes.io/version"]


def test_changed_setting_restarts_the_pods() -> None:
    """The ConfigMap's name has a hash of the settings, so production's differs from the demo's."""
    names = [one_of(name, "ConfigMap")["metadata"]["name"] for name in SERVERS]
    assert names[0] == names[1]
    assert len(SERVERS) - 1 == len(set(names))
    for name in SERVERS:
        assert one_of(name, "ConfigMap")["immutable"] is True


def test_tls_files_are_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the Certificate's Secret, in a folder that the kubelet updates."""
    found = settings(WITH_TLS, monkeypatch)
    assert not found.plain_text
    certificate = one_of(WITH_TLS, "Certificate", "hashfinder")["spec"]
    spec = server(WITH_TLS)["spec"]
    [secret] = [each for each in spec["volumes"] if "secret" in each]
    assert certificate["secretName"] == secret["secret"]["secretName"]
    mounts = {each["name"]: each for each in container(WITH_TLS)["volumeMounts"]}
    assert mounts[secret["name"]]["readOnly"]
    assert "subPath" not in mounts[secret["name"]]
    files = (found.tls_certificate, found.tls_key, found.metrics_client_ca)
    for path, name in zip(files, ("tls.crt", "tls.key", "ca.crt"), strict=True):
        assert f"{mounts[secret['name']]['mountPath']}/{name}" == path


def test_certificate_has_the_names_that_clients_use() -> None:
    """Those of both Services, short and long."""
    names = one_of(WITH_TLS, "Certificate", "hashfinder")["spec"]["dnsNames"]
    for each in all_of(WITH_TLS, "Service"):
        name = each["metadata"]["name"]
        for end in ("", ".hashfinder", ".hashfinder.svc", ".hashfinder.svc.cluster.local"):
            assert f"{name}{end}" in names
        assert "https" == each["spec"]["ports"][0]["appProtocol"]


def test_operators_have_a_socket_in_a_folder_of_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators use neither a port nor a disk."""
    address = settings(WITH_TLS, monkeypatch).side_address("admin_listen")
    assert isinstance(address, UnixAddress)
    [folder] = [each["name"] for each in server(WITH_TLS)["spec"]["volumes"] if "emptyDir" in each]
    [mount] = [each for each in container(WITH_TLS)["volumeMounts"] if each["name"] == folder]
    assert str(Path(address.path).parent) == mount["mountPath"]


def test_namespace_comes_first() -> None:
    """An object cannot be created before its namespace."""
    for name in SERVERS:
        assert "Namespace" == rendered(name)[0]["kind"]


def test_guide_names_existing_objects() -> None:
    """The folders that it applies, and the objects that it queries."""
    guide = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
    folders = set(re.findall(r"deploy/k8s/[\w/-]+", guide))
    assert {*folders} >= {f"deploy/k8s/{name}" for name in KUSTOMIZATIONS}
    assert all((ROOT / folder).exists() for folder in folders)
    objects = {
        f"{each['kind'].lower()}/{each['metadata']['name']}"
        for name in KUSTOMIZATIONS
        for each in rendered(name)
    }
    named = set(re.findall(r"\b(?:job|deployment|service)/[\w-]+", guide))
    assert 5 == len(named)
    assert named <= objects
    assert f"job-name={one_of('sharded-search', 'Job')['metadata']['name']}" in guide


def test_waits_for_a_job_return_at_either_end() -> None:
    """They also end if the Job fails: none waits for success alone."""
    files = (
        ROOT / "docs/kubernetes.md",
        ROOT / "README.md",
        ROOT / "Makefile",
        *K8S.rglob("*.yaml"),
    )
    waits = [
        (condition, timeout)
        for file in files
        for condition, timeout in re.findall(
            r"kubectl .*wait --for=(\S+) --timeout=(\S+) job/", file.read_text(encoding="utf-8")
        )
    ]
    long = {condition for condition, timeout in waits if not timeout.endswith("s")}
    assert {"jsonpath='{.status.conditions}'"} == long


def test_guide_has_the_times_of_a_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timetable follows from the settings of the base."""
    found = settings("base", monkeypatch)
    guide = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
    seconds = [int(each) for each in re.findall(r"^\| (\d+)[^|]*\|", guide, re.MULTILINE)]
    signal = container("base")["lifecycle"]["preStop"]["sleep"]["seconds"]
    refuse = signal + found.drain_delay
    stop = refuse + found.drain_grace
    killed = server("base")["spec"]["terminationGracePeriodSeconds"]
    assert [0, signal, refuse, refuse, stop, stop + 6, killed] == seconds
