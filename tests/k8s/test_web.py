"""The demo's gateway: its settings, its probes, and its network policy."""

from collections.abc import Iterator

import pytest

from hashfinder_client.target import BALANCED
from hashfinder_web.config import Settings
from tests.integration.gateway_process import GatewayProcess, run_gateway
from tests.integration.server_process import run_server
from tests.k8s.manifests import Object, all_of, configured, one_of, selects

pytestmark = pytest.mark.k8s

DEMO = "overlays/demo"


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    """A gateway to a server, with the demo's default settings."""
    with run_server() as server, run_gateway(server) as process:
        yield process


def template() -> Object:
    """Return the pod template of the gateway."""
    found = one_of(DEMO, "Deployment", "hashfinder-web")["spec"]["template"]
    assert isinstance(found, dict)
    return found


def container() -> Object:
    """Return its container."""
    [only] = template()["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return its settings; the image makes it listen on all addresses."""
    known = {f"HASHFINDER_WEB_{name.upper()}" for name in Settings.model_fields}
    given = configured(DEMO, container())
    assert given.keys() <= known
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    return Settings.load([])


def test_it_uses_every_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """It uses the headless Service, for searches and for metrics."""
    found = settings(monkeypatch)
    assert found.server == f"{BALANCED}/hashfinder-headless:50051"
    assert found.metrics_url == "http://hashfinder-headless:9464/metrics"


def test_ports_are_those_that_it_listens_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the container, and in the Service."""
    found = settings(monkeypatch)
    [port] = container()["ports"]
    assert ("http", found.port) == (port["name"], port["containerPort"])
    service = one_of(DEMO, "Service", "hashfinder-web")["spec"]
    assert [("http", found.port)] == [(p["targetPort"], p["port"]) for p in service["ports"]]
    assert selects(service["selector"], template()["metadata"]["labels"])


def test_its_probes_are_answered(gateway: GatewayProcess) -> None:
    """Probes use the pod's address, which is then in the Host header."""
    for kind in ("startup", "liveness", "readiness"):
        probe = container()[f"{kind}Probe"]["httpGet"]
        assert probe["port"] == "http"
        response, _ = gateway.request("GET", probe["path"], headers={"host": "10.1.2.3:8080"})
        assert 200 == response.status, kind


def test_it_reaches_the_servers_and_is_reached_by_no_pod() -> None:
    """The policy selects its pods alone, and allows them both ports of the servers."""
    policy = one_of(DEMO, "NetworkPolicy", "hashfinder-web")["spec"]
    servers = one_of(DEMO, "Deployment", "hashfinder")["spec"]["template"]["metadata"]["labels"]
    assert selects(policy["podSelector"], template()["metadata"]["labels"])
    assert not selects(policy["podSelector"], servers)
    assert {"Ingress", "Egress"} == set(policy["policyTypes"])
    assert "ingress" not in policy
    _, out = policy["egress"]
    [to] = out["to"]
    assert selects(to["podSelector"], servers)
    assert [50051, 9464] == [each["port"] for each in out["ports"]]


def test_no_selector_of_the_servers_matches_it() -> None:
    """Neither of a Service, nor of a policy, nor of a budget."""
    labels = template()["metadata"]["labels"]
    names = {each["metadata"]["name"] for each in all_of(DEMO, "Service")}
    for name in names - {"hashfinder-web"}:
        assert not selects(one_of(DEMO, "Service", name)["spec"]["selector"], labels)
    for name in ("hashfinder-server", "hashfinder-client"):
        policy = one_of(DEMO, "NetworkPolicy", name)
        assert not selects(policy["spec"]["podSelector"], labels)
    budget = one_of(DEMO, "PodDisruptionBudget")
    assert not selects(budget["spec"]["selector"], labels)
