"""The rendered manifests, as `kubectl apply -k` would send them, and look-ups in them."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "deploy/k8s"
WITH_TLS = "overlays/production-tls"
KUSTOMIZATIONS = ("base", "overlays/demo", "overlays/production", WITH_TLS, "sharded-search")
SERVERS = KUSTOMIZATIONS[:4]

Object = dict[str, Any]
"""A Kubernetes object, or a part of one, parsed from YAML."""


def render(folder: Path) -> list[Object]:
    """Return the objects of a kustomization; fail with kubectl's message.

    Without kubectl, `make test-k8s` installs kustomize, which kubectl contains.
    """
    program = ["kubectl", "kustomize"] if shutil.which("kubectl") else ["kustomize", "build"]
    done = subprocess.run([*program, str(folder)], check=False, capture_output=True, text=True)
    assert (0, "") == (done.returncode, done.stderr), done.stderr
    return list(yaml.safe_load_all(done.stdout))


@cache
def rendered(name: str) -> tuple[Object, ...]:
    """Return the objects of one of our kustomizations; they must not be modified."""
    return tuple(render(K8S / name))


def all_of(name: str, kind: str) -> list[Object]:
    """Return the objects of a kind."""
    return [each for each in rendered(name) if each["kind"] == kind]


def one_of(name: str, kind: str, called: str | None = None) -> Object:
    """Return the only object of a kind, or of a kind and a name."""
    found = [each for each in all_of(name, kind) if called in {None, each["metadata"]["name"]}]
    assert 1 == len(found), f"{len(found)} of {kind} {called} in {name}"
    return found[0]


def pod_templates(name: str) -> Iterator[tuple[str, Object]]:
    """Yield each pod template with a label for it."""
    for each in rendered(name):
        template = each.get("spec", {}).get("template")
        if template:
            yield f"{each['kind']}/{each['metadata']['name']}", template


def containers(template: Object) -> list[Object]:
    """Return all containers of a pod template, init containers included."""
    spec = template["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def configured(name: str, container: Object) -> dict[str, str]:
    """Return the environment that the manifests give a container."""
    env: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        env |= one_of(name, "ConfigMap", source["configMapRef"]["name"])["data"]
    return env | {each["name"]: each["value"] for each in container.get("env", ())}


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Return whether a non-empty label selector matches these labels."""
    wanted = selector.get("matchLabels", selector)
    assert wanted, "an empty selector matches everything"
    return bool(wanted.items() <= labels.items())
