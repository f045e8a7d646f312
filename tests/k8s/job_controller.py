"""Run an Indexed Job as processes, as the Job controller and the kubelet would.

See https://kubernetes.io/docs/concepts/workloads/controllers/job/. One difference: a failed pod is
replaced at once, where the controller waits for ten seconds or more.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Self

from tests.k8s.manifests import Object

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][\w.-]*)\)")
_MESSAGE_BYTES = 4096


def expanded(text: str, env: dict[str, str]) -> str:
    """Return an argument with $(NAME) expanded from the environment, like the kubelet."""

    def replace(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else env.get(found[1], found[0])

    return _REFERENCE.sub(replace, text)


def action_for(job: Object, exit_code: int, conditions: frozenset[str] = frozenset()) -> str:
    """Return a Job's action for a failed pod: that of the first rule that matches."""
    for rule in job["spec"]["podFailurePolicy"]["rules"]:
        if "onExitCodes" in rule:
            codes = rule["onExitCodes"]
            matches = (exit_code in codes["values"]) == (codes["operator"] == "In")
        else:
            matches = any(each["type"] in conditions for each in rule["onPodConditions"])
        if matches:
            return str(rule["action"])
    return "Count"


class Pod:
    """One attempt at one index."""

    def __init__(self, container: Object, env: dict[str, str], index: int, folder: Path) -> None:
        """Start the container's process."""
        folder.mkdir()
        self.index = index
        self.conditions: frozenset[str] = frozenset()
        self.grace_used: float | None = None
        """Seconds from SIGTERM to the end, if the pod got SIGTERM."""
        self._signalled: float | None = None
        # The kubelet creates and mounts the file, so the process cannot replace it.
        self._termination_log = folder / "termination-log"
        self._termination_log.touch()
        self._inode = self._termination_log.stat().st_ino
        env = {**env, "JOB_COMPLETION_INDEX": str(index)}
        path = container["terminationMessagePath"]
        words: list[str] = container["command"] + container["args"]
        self.arguments = [
            expanded(word, env).replace(path, str(self._termination_log)) for word in words[1:]
        ]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).with_name(words[0]), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**image_environment(), **env},
            )

    @property
    def exit_code(self) -> int | None:
        """As a container runtime reports it; None while it runs."""
        code = self._process.poll()
        if code is not None and self._signalled and self.grace_used is None:
            self.grace_used = time.monotonic() - self._signalled
        return code if code is None or code >= 0 else 128 - code

    @property
    def message(self) -> str:
        """The termination message."""
        assert self._inode == self._termination_log.stat().st_ino
        return self._termination_log.read_bytes()[:_MESSAGE_BYTES].decode()

    def terminate(self, *conditions: str) -> None:
        """Send SIGTERM, as for a deleted pod; `conditions` give the reason."""
        self.conditions = frozenset(conditions)
        if self.exit_code is None:
            self._signalled = time.monotonic()
            self._process.send_signal(signal.SIGTERM)

    def end(self, grace: float) -> None:
        """Wait for the end; kill the process when the grace period is over."""
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class JobController:
    """Runs one Job to its end. As a context manager: no process outlives it."""

    def __init__(self, job: Object, env: dict[str, str], folder: Path) -> None:
        """Store a Job of one container, its environment, and a folder for the pods' files."""
        self.pods: list[Pod] = []
        self.failures: Counter[int] = Counter()
        """The failures that count, by index."""
        self.failed: set[int] = set()
        self.succeeded: set[int] = set()
        self.reason = ""
        """The reason of the condition that ended the Job; empty while it runs."""
        self._job = job
        self._spec = job["spec"]
        self._env = env
        self._folder = folder
        self._active: dict[int, Pod] = {}

    def __enter__(self) -> Self:
        """Start every index: there are as many pods as indexes."""
        for index in range(self._spec["completions"]):
            self._start(index)
        return self

    def __exit__(self, *_: object) -> None:
        """End the remaining pods."""
        self._terminate()

    @property
    def successful(self) -> Pod:
        """The pod whose success ended the Job."""
        return next(pod for pod in self.pods if pod.index in self.succeeded)

    def disrupt(self, index: int) -> None:
        """Evict the pod of an index, as a drained node does."""
        self._active[index].terminate("DisruptionTarget")

    def sync(self) -> bool:
        """Handle the pods that have ended; return whether the Job has ended."""
        for pod in list(self._active.values()):
            if not self.reason and pod.exit_code is not None:
                del self._active[pod.index]
                self._take(pod, pod.exit_code)
        if self.reason:
            self._terminate()
        return bool(self.reason)

    def run(self, seconds: float) -> str:
        """Run the Job to its end and return the reason; fail after `seconds`."""
        deadline = time.monotonic() + seconds
        while not self.sync():
            assert time.monotonic() < deadline, f"the Job has not ended within {seconds:g} s"
            time.sleep(0.02)
        return self.reason

    def _start(self, index: int) -> None:
        [container] = self._spec["template"]["spec"]["containers"]
        pod = Pod(container, self._env, index, self._folder / f"pod-{len(self.pods)}")
        self.pods.append(pod)
        self._active[index] = pod

    def _take(self, pod: Pod, code: int) -> None:
        if code == 0:
            self.succeeded.add(pod.index)
            [rule] = self._spec["successPolicy"]["rules"]
            if len(self.succeeded) >= rule["succeededCount"]:
                self.reason = "SuccessPolicy"
            return
        action = action_for(self._job, code, pod.conditions)
        if action == "FailJob":
            self.reason = "PodFailurePolicy"
            return
        self.failures[pod.index] += action == "Count"
        if action == "FailIndex" or self.failures[pod.index] > self._spec["backoffLimitPerIndex"]:
            self.failed.add(pod.index)
        else:
            self._start(pod.index)
        if len(self.failed | self.succeeded) == self._spec["completions"]:
            self.reason = "FailedIndexes"

    def _terminate(self) -> None:
        pods = list(self._active.values())
        self._active.clear()
        for pod in pods:
            pod.terminate()
        for pod in pods:
            pod.end(self._spec["template"]["spec"]["terminationGracePeriodSeconds"])


def image_environment() -> dict[str, str]:
    """Return the environment of a container of the image: without our settings and proxies."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HASHFINDER_") and "proxy" not in name.lower()
    }
