"""The commands of docs/kubernetes.md, run: by kubectl against a server that has a few objects."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.k8s.manifests import ROOT, Object, one_of

pytestmark = pytest.mark.k8s

KUBECTL = shutil.which("kubectl") or ""
needs_kubectl = pytest.mark.skipif(not KUBECTL, reason="no kubectl: what it does cannot be seen")
GUIDE = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")

META: Object = {"namespace": "hashfinder", "resourceVersion": "1"}
DISCOVERY: dict[str, Object] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {
                "name": "batch",
                "versions": [{"groupVersion": "batch/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "batch/v1", "version": "v1"},
            }
        ],
    },
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": []}
        ],
    },
    "/apis/batch/v1": {
        "kind": "APIResourceList",
        "groupVersion": "batch/v1",
        "resources": [
            {"name": "jobs", "singularName": "job", "namespaced": True, "kind": "Job", "verbs": []}
        ],
    },
}  # fmt: skip


def job_name() -> str:
    """Return the name of our Job. Not at import: `make test` collects this file without kubectl."""
    return str(one_of("sharded-search", "Job")["metadata"]["name"])


class Cluster:
    """What an API server would answer: one Job, and pods."""

    def __init__(self, url: str) -> None:
        """Begin with a Job that runs."""
        self.url = url
        self.ended = threading.Event()
        self._pods: list[Object] = []
        self._status: Object = {}

    def end(self, condition: str) -> None:
        """Let the Job end, by a condition."""
        self._status = {"conditions": [{"type": condition, "status": "True"}]}
        self.ended.set()

    def job(self) -> Object:
        """Return the Job."""
        meta = {**META, "name": job_name()}
        return {"kind": "Job", "apiVersion": "batch/v1", "metadata": meta, "status": self._status}

    def add_pod(self, phase: str, message: str) -> None:
        """Add a pod of the Job that has ended."""
        name = f"{job_name()}-{len(self._pods)}"
        state = {"terminated": {"exitCode": 0, "message": message}}
        status = {"phase": phase, "containerStatuses": [{"name": "shard", "state": state}]}
        meta = {**META, "name": name, "labels": {"batch.kubernetes.io/job-name": job_name()}}
        self._pods.append({"kind": "Pod", "apiVersion": "v1", "metadata": meta, "status": status})

    def answer(self, path: str, query: dict[str, list[str]]) -> Object | None:
        """Return what is at a path; None for nothing."""
        if path in DISCOVERY:
            return DISCOVERY[path]
        jobs, pods = (
            "/apis/batch/v1/namespaces/hashfinder/jobs",
            "/api/v1/namespaces/hashfinder/pods",
        )
        if path == f"{jobs}/{job_name()}":
            return self.job()
        if path == jobs:
            assert [f"metadata.name={job_name()}"] == query["fieldSelector"]
            return {
                "kind": "JobList",
                "apiVersion": "batch/v1",
                "metadata": META,
                "items": [self.job()],
            }
        if path == pods:
            assert [f"batch.kubernetes.io/job-name={job_name()}"] == query["labelSelector"]
            [field] = query["fieldSelector"]
            phase = field.removeprefix("status.phase=")
            items = [each for each in self._pods if each["status"]["phase"] == phase]
            return {"kind": "PodList", "apiVersion": "v1", "metadata": META, "items": items}
        return None


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Serve such a cluster on loopback."""

    class Handler(BaseHTTPRequestHandler):
        cluster: Cluster

        def do_GET(self) -> None:
            cluster = self.cluster
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            if "watch" in query:
                self.send_response(200)
                self.end_headers()
                cluster.ended.wait(20)
                event = {"type": "MODIFIED", "object": cluster.job()}
                self.wfile.write(json.dumps(event).encode())
                return
            found = cluster.answer(parts.path, query)
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401  # as the library has it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        cluster = Handler.cluster = Cluster(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield cluster
        cluster.ended.set()
        server.shutdown()
        thread.join()


@contextmanager
def started(command: str, cluster: Cluster, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command of the guide in a shell, whose kubectl asks the cluster."""
    wrapper = folder / "kubectl"
    wrapper.write_text(f'#!/bin/sh\nexec {KUBECTL} --server {cluster.url} "$@"\n')
    wrapper.chmod(0o755)
    env = {**os.environ, "HOME": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"}
    env = {name: value for name, value in env.items() if "proxy" not in name.lower()}
    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**env, "KUBECONFIG": "/dev/null"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def commands_for_the_result() -> tuple[str, str]:
    """Return what waits for the search, and what prints its result."""
    [block] = re.findall(r"\*\*The result\*\*.*?\n\n((?:    .*\n)+)", GUIDE)
    wait, _, result = block.partition("\n")
    return wait.strip(), result.strip()


@needs_kubectl
@pytest.mark.parametrize("condition", ["Complete", "Failed"])
def test_wait_returns_at_either_end_of_the_job(
    cluster: Cluster, tmp_path: Path, condition: str
) -> None:
    """And not before; a search that fails does not keep its user for the hour."""
    with started(commands_for_the_result()[0], cluster, tmp_path) as waiting:
        time.sleep(1.5)
        assert waiting.poll() is None, waiting.communicate()
        cluster.end(condition)
        output, errors = waiting.communicate(timeout=20)
    assert (0, "") == (waiting.returncode, errors)
    assert "condition met" in output


@needs_kubectl
@pytest.mark.parametrize("messages", [[], ["one\n"], ["one\n", "two\n"]], ids=len)
def test_result_is_that_of_each_pod_that_succeeded(
    cluster: Cluster, tmp_path: Path, messages: list[str]
) -> None:
    """None, one or several; nothing on stderr, whichever it is."""
    cluster.add_pod("Failed", "not found\n")
    for message in messages:
        cluster.add_pod("Succeeded", message)
    with started(commands_for_the_result()[1], cluster, tmp_path) as asking:
        output, errors = asking.communicate(timeout=20)
    assert (0, "") == (asking.returncode, errors)
    assert "".join(messages) == output


FAKE_KUBECTL = f"""#!{sys.executable}
import pathlib, sys
job = pathlib.Path(__file__).with_name("job")
words = sys.argv[1:]
with job.with_name("calls").open("a") as calls:
    print(*words, file=calls)
if "delete" in words:
    assert "job" in words and "--ignore-not-found" in words
    job.unlink(missing_ok=True)
elif "apply" in words:
    image = job.with_name("image").read_text()
    if job.exists() and job.read_text() != image:
        sys.exit("The Job is invalid: spec.template: field is immutable")
    job.write_text(image)
"""


def test_demo_is_applied_again_with_another_image(tmp_path: Path) -> None:
    """`make k8s-demo` deletes the Job first, whose pod template no apply can change.

    In place of a cluster, kubectl is one that refuses what an API server refuses.
    """
    fake = tmp_path / "kubectl"
    fake.write_text(FAKE_KUBECTL)
    fake.chmod(0o755)
    for image in ("first", "second"):
        (tmp_path / "image").write_text(image)
        done = subprocess.run(
            [shutil.which("make") or "make", "--silent", "k8s-demo"],
            cwd=ROOT,
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (0, "") == (done.returncode, done.stderr)
    assert "second" == (tmp_path / "job").read_text()
    made = (tmp_path / "calls").read_text().splitlines()
    by_hand = re.findall(
        r"^    kubectl (.*job hashfinder-tour.*|apply -k \S*demo)$", GUIDE, re.MULTILINE
    )
    assert made[:2] == by_hand[:2], "the guide does by hand what make does"
