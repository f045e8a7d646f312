"""Every pod meets the `restricted` Pod Security Standard, which the namespace enforces.

The rules are those of https://kubernetes.io/docs/concepts/security/pod-security-standards/, both of
`restricted` and of the `baseline` that it includes, as an admission controller checks templates.
"""

import re
from collections.abc import Iterator
from copy import deepcopy

import pytest

from tests.k8s.manifests import (
    KUSTOMIZATIONS,
    ROOT,
    SERVERS,
    WITH_TLS,
    Object,
    containers,
    one_of,
    pod_templates,
)

pytestmark = pytest.mark.k8s

HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC")
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def violations(template: Object) -> Iterator[str]:
    """Yield the violations of `restricted` in a pod template."""
    spec = template["spec"]
    pod: Object = spec.get("securityContext", {})
    yield from (field for field in HOST_FIELDS if spec.get(field))
    if "windowsOptions" in pod:
        yield "windowsOptions"
    if "sysctls" in pod or pod.get("procMount", "Default") != "Default":
        yield "sysctls or procMount"
    if any(
        name.startswith("container.apparmor")
        for name in template["metadata"].get("annotations", ())
    ):
        yield "AppArmor"
    for volume in spec.get("volumes", ()):
        if volume.keys() - VOLUMES != {"name"}:
            yield f"volume {volume['name']}"
    for container in containers(template):
        for text in _violations_of(container, pod):
            yield f"{container['name']}: {text}"


def _violations_of(container: Object, pod: Object) -> Iterator[str]:
    own: Object = container.get("securityContext", {})
    both = {**pod, **own}
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    capabilities = {"drop": [], "add": [], **own.get("capabilities", {})}
    if "ALL" not in capabilities["drop"] or {*capabilities["add"]} - {"NET_BIND_SERVICE"}:
        yield "capabilities"
    if both.get("runAsNonRoot") is not True:
        yield "runAsNonRoot"
    if both.get("runAsUser") == 0:
        yield "runAsUser"
    if both.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "seccompProfile"
    if "seLinuxOptions" in both or "procMount" in both or "appArmorProfile" in both:
        yield "seLinuxOptions, procMount or appArmorProfile"
    if any("hostPort" in port for port in container.get("ports", ())):
        yield "hostPort"
    if _names_a_host(container):
        yield "host of a probe or a handler"


def _names_a_host(container: Object) -> bool:
    probes = [container.get(f"{kind}Probe", {}) for kind in ("startup", "liveness", "readiness")]
    handlers = [*probes, *container.get("lifecycle", {}).values()]
    return any("host" in each.get(how, {}) for each in handlers for how in ("httpGet", "tcpSocket"))


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_pods_are_restricted(name: str) -> None:
    """Every rule of the standard is checked."""
    found = {which: list(violations(template)) for which, template in pod_templates(name)}
    assert found
    assert {} == {which: texts for which, texts in found.items() if texts}


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_pods_are_more_restricted_than_they_must_be(name: str) -> None:
    """A read-only root, no token, no service links, limited resources, no volume but for TLS."""
    for _, template in pod_templates(name):
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert "hashfinder" == spec["serviceAccountName"]
        kinds = [kind for each in spec.get("volumes", ()) for kind in each if kind != "name"]
        assert (["secret", "emptyDir"] if name == WITH_TLS else []) == kinds
        for container in containers(template):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert {"cpu", "memory"} == container["resources"]["requests"].keys()
            assert {"cpu", "memory"} == container["resources"]["limits"].keys()


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_pods_run_as_the_user_that_the_cluster_assigns(name: str) -> None:
    """No manifest fixes a user or group: OpenShift, for example, assigns them by namespace."""
    for _, template in pod_templates(name):
        for context in (
            template["spec"]["securityContext"],
            *(container["securityContext"] for container in containers(template)),
        ):
            assert not {"runAsUser", "runAsGroup", "fsGroup", "seLinuxOptions"} & context.keys()


def test_user_of_the_image_is_a_number() -> None:
    """If the cluster assigns no user, the kubelet must be able to see that it is not root."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert ["USER 65532:65532"] == re.findall(r"^USER .*$", dockerfile, re.MULTILINE)


@pytest.mark.parametrize("name", SERVERS)
def test_namespace_enforces_the_standard(name: str) -> None:
    """It enforces the cluster's version of the standard, and warns about violations."""
    labels = one_of(name, "Namespace")["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert "restricted" == labels[f"pod-security.kubernetes.io/{mode}"]
        assert "latest" == labels[f"pod-security.kubernetes.io/{mode}-version"]


@pytest.mark.parametrize("name", SERVERS)
def test_account_has_no_token(name: str) -> None:
    """No pod calls the API server."""
    assert one_of(name, "ServiceAccount")["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("path", "value", "violation"),
    [
        (("spec", "hostNetwork"), True, "hostNetwork"),
        (("spec", "securityContext", "runAsNonRoot"), False, "runAsNonRoot"),
        (("spec", "securityContext", "seccompProfile"), {"type": "Unconfined"}, "seccompProfile"),
        (("spec", "securityContext", "runAsUser"), 0, "runAsUser"),
        (("spec", "volumes"), [{"name": "v", "hostPath": {"path": "/"}}], "volume v"),
    ],
)
def test_violations_are_detected(path: tuple[str, ...], value: object, violation: str) -> None:
    """Each is made in a pod that had none."""
    template = deepcopy(one_of("base", "Deployment")["spec"]["template"])
    part = template
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    assert violation in " ".join(violations(template))


@pytest.mark.parametrize(
    "change",
    [
        {"allowPrivilegeEscalation": True},
        {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}},
        {"capabilities": {"drop": ["NET_RAW"]}},
        {"privileged": True},
    ],
    ids=str,
)
def test_violations_of_a_container_are_detected(change: Object) -> None:
    """Whatever the pod sets."""
    template = deepcopy(one_of("base", "Deployment")["spec"]["template"])
    template["spec"]["containers"][0]["securityContext"] |= change
    assert [] != list(violations(template))
