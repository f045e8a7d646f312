"""The stack of `deploy/docker-compose.yml`, as a separate project with its own image."""

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from urllib.request import urlopen

ROOT = Path(__file__).parents[2]
PROMETHEUS_IMAGE = "prom/prometheus:v2.53.3"
_FREE_PORTS = (
    "HASHFINDER_PORT",
    "HASHFINDER_METRICS_PORT",
    "HASHFINDER_WEB_PORT",
    "PROMETHEUS_PORT",
)


class Sample(NamedTuple):
    """A series in the answer to an instant query."""

    labels: dict[str, str]
    value: float


def docker(*arguments: str, text: str = "", env: dict[str, str] | None = None) -> str:
    """Run docker with `text` as stdin; return its output, or fail with its error."""
    command = ["docker", *arguments]
    done = subprocess.run(command, check=False, input=text, capture_output=True, text=True, env=env)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


def promtool(*arguments: str, text: str = "") -> str:
    """Run the stack's promtool on the files of `deploy/prometheus`; see `docker`."""
    folder = f"{ROOT / 'deploy/prometheus'}:/etc/prometheus:ro"
    container = ("--rm", "--interactive", "--network=none", f"--volume={folder}")
    program = ("--workdir=/etc/prometheus", "--entrypoint=/bin/promtool", PROMETHEUS_IMAGE)
    return docker("run", *container, *program, *arguments, text=text)


def eventually(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait until `condition` holds; fail, naming `what` was waited for, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)


def private_copy(folder: Path) -> Path:
    """Copy the tracked files of the tree, readable by their owner alone; return the copy's path."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    for name in filter(None, listed.split("\0")):
        copy = folder / name
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
        copy.chmod(0o700 if os.access(ROOT / name, os.X_OK) else 0o600)
    for path in (folder, *folder.rglob("*/")):
        path.chmod(0o700)
    return folder


class Stack:
    """A compose project. Everything that it creates has its name."""

    def __init__(self, tree: Path) -> None:
        """Choose a project name; nothing runs yet."""
        self._tree = tree
        self.project = f"hashfinder-test-{uuid.uuid4().hex[:8]}"
        self.image = f"{self.project}:built"

    def compose(self, *arguments: str) -> str:
        """Run docker compose on the stack; return its output."""
        return docker(*self._compose(), *arguments, env=self._environment())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start docker compose on the stack."""
        command = ["docker", *self._compose(), *arguments]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment(),
        )

    def logs(self, service: str) -> str:
        """Return the output of a service, on stdout and stderr."""
        command = ["docker", "logs", self.container(service)]
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ).stdout

    def address(self, service: str, port: int) -> str:
        """Return the published address of a service's port, as HOST:PORT."""
        return self.compose("port", service, str(port)).strip()

    def container(self, service: str) -> str:
        """Return the id of a service's container, running or not."""
        return self.compose("ps", "--all", "--quiet", service).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        """Return docker's description of a service's container."""
        [container] = json.loads(docker("inspect", self.container(service)))
        assert isinstance(container, dict)
        return container

    def wait_until_healthy(self, service: str) -> None:
        """Return when a service's health check succeeds."""
        eventually(
            lambda: self.inspect(service)["State"]["Health"]["Status"] == "healthy",
            f"{service} is healthy",
        )

    def prometheus(self, path: str, **query: str) -> Any:  # noqa: ANN401  # as JSON has it
        """Return the data in an answer of Prometheus's API."""
        url = f"http://{self.address('prometheus', 9090)}/api/v1/{path}?{urlencode(query)}"
        with urlopen(url, timeout=10) as response:
            answer = json.load(response)
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str, at: float | None = None) -> list[Sample]:
        """Return the answer to an instant query, now or at a time in Unix seconds."""
        moment = {} if at is None else {"time": str(at)}
        data = self.prometheus("query", query=expression, **moment)
        assert data["resultType"] == "vector", expression
        return [Sample(each["metric"], float(each["value"][1])) for each in data["result"]]

    def remains(self) -> str:
        """Return the containers, networks and volumes with the project's name."""
        label = ("--quiet", "--filter", f"label=com.docker.compose.project={self.project}")
        return "".join(
            docker(*command, *label)
            for command in (("ps", "--all"), ("network", "ls"), ("volume", "ls"))
        )

    def _compose(self) -> tuple[str, ...]:
        return ("compose", "--file", str(self._tree / "deploy/docker-compose.yml"))

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.project,
            "HASHFINDER_IMAGE": self.image,
            "VERSION": "1.2.3-test",
            "REVISION": "0123456789abcdef",
            **dict.fromkeys(_FREE_PORTS, "0"),
        }
