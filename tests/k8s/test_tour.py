"""The demo's Job: it waits for the servers, and its tour of them ends well."""

import subprocess
import sys
from pathlib import Path

import pytest

from hashfinder_cli.exit_codes import ExitCode
from tests.integration.server_process import run_server
from tests.k8s.job_controller import image_environment
from tests.k8s.manifests import Object, configured, one_of

pytestmark = [pytest.mark.k8s, pytest.mark.timeout(180)]


def run(container: Object, target: str) -> subprocess.CompletedProcess[str]:
    """Run a container's command line, against another target than that of the cluster."""
    words: list[str] = container["command"] + container.get("args", [])
    given = configured("overlays/demo", container) | {"HASHFINDER_SERVER": target}
    return subprocess.run(
        [Path(sys.executable).with_name(words[0]), *words[1:]],
        check=False,
        capture_output=True,
        text=True,
        env=image_environment() | given,
    )


def test_job_waits_for_a_server_and_takes_its_tour() -> None:
    """The first container fails until a server is ready, so that the Job tries again."""
    spec = one_of("overlays/demo", "Job")["spec"]["template"]["spec"]
    [wait] = spec["initContainers"]
    [tour] = spec["containers"]
    assert "OnFailure" == spec["restartPolicy"]
    with run_server("--workers", "1") as server:
        assert ExitCode.FOUND == run(wait, server.address).returncode
        done = run(tour, f"dns:///{server.address}")
        assert ExitCode.FOUND == done.returncode, done.stdout + done.stderr
    assert ExitCode.UNAVAILABLE == run(wait, server.address).returncode
