"""The demo's Job: it waits for the servers, and its tour succeeds."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from hashfinder_cli.exit_codes import ExitCode
from tests.integration.server_process import run_server
from tests.k8s.job_controller import image_environment
from tests.k8s.manifests import Object, configured, one_of

pytestmark = [pytest.mark.k8s, pytest.mark.timeout(180)]


def start(container: Object, target: str) -> subprocess.Popen[str]:
    """Start a container's command line with another target."""
    words: list[str] = container["command"] + container.get("args", [])
    given = configured("overlays/demo", container) | {"HASHFINDER_SERVER": target}
    return subprocess.Popen(
        [Path(sys.executable).with_name(words[0]), *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=image_environment() | given,
    )


def test_job_waits_for_a_server_and_runs_the_tour() -> None:
    """The init container waits, without failing, until a server is ready."""
    job = one_of("overlays/demo", "Job")["spec"]
    spec = job["template"]["spec"]
    [wait] = spec["initContainers"]
    [tour] = spec["containers"]
    [seconds] = [each for each in wait["args"] if each.startswith("--wait=")]
    assert 600 <= int(seconds.removeprefix("--wait=")) < job["activeDeadlineSeconds"]

    with run_server("--workers", "1") as server:
        target = f"dns:///{server.address}"
    with start(wait, target) as waiting:
        time.sleep(3)
        assert waiting.poll() is None, waiting.communicate()
        with run_server("--workers", "1", "--port", server.address.rpartition(":")[2]):
            assert ExitCode.FOUND == waiting.wait(30)
            with start(tour, target) as touring:
                output, _ = touring.communicate(timeout=120)
                assert ExitCode.FOUND == touring.returncode, output
