"""The Job of a sharded search: its rules, and its command lines run as in a cluster."""

import json
import re
import shutil
import signal
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from hashfinder_cli.exit_codes import ExitCode
from tests.integration.replicas import NameServer, Replicas
from tests.integration.server.brute_force import score
from tests.integration.server_process import ServerProcess, eventually, run_server
from tests.k8s.job_controller import JobController, action_for
from tests.k8s.manifests import K8S, Object, configured, one_of, render

pytestmark = pytest.mark.k8s

HIT = 1_000_000_000_000
"""The only position for a name that is most of a hash."""
NAME = score(HIT, "a").hashed_name[:20]
NEAR = {"NAME": NAME, "START_POSITION": str(HIT - 3_200_000), "RANGE_SIZE": "500000"}
HOPELESS = {"NAME": "hopelesslylong", "RANGE_SIZE": "2000000000"}
SECONDS = 50.0

StartJob = Callable[[Mapping[str, str], str], JobController]


def with_parameters(folder: Path, parameters: Mapping[str, str]) -> list[Object]:
    """Return the objects of a copy of our folder with a changed search.env."""
    copy = folder / "search"
    shutil.copytree(K8S / "sharded-search", copy)
    file = copy / "search.env"
    text = file.read_text(encoding="utf-8")
    for name, value in parameters.items():
        text, count = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert count == 1, name
    file.write_text(text, encoding="utf-8")
    return render(copy)


@pytest.fixture
def start_job(tmp_path: Path) -> Iterator[StartJob]:
    """Start the Job with some parameters; its shards use the given servers."""
    with ExitStack() as jobs:

        def start(parameters: Mapping[str, str], target: str) -> JobController:
            objects = {each["kind"]: each for each in with_parameters(tmp_path, parameters)}
            env = {**objects["ConfigMap"]["data"], "HASHFINDER_SERVER": target}
            return jobs.enter_context(JobController(objects["Job"], env, tmp_path))

        yield start


@contextmanager
def three_servers() -> Iterator[Replicas]:
    """Run three servers of one worker behind one name, like the headless Service."""
    names = NameServer()
    with names.serving(), ExitStack() as servers:

        def start(*flags: str) -> ServerProcess:
            return servers.enter_context(run_server(*flags))

        yield Replicas(names, start, ("--workers", "1"))


@pytest.fixture(scope="module")
def shared_replicas() -> Iterator[Replicas]:
    """Servers for all tests that do not stop them."""
    with three_servers() as replicas:
        yield replicas


@pytest.fixture
def replicas(shared_replicas: Replicas) -> Iterator[Replicas]:
    """The shared servers; the test must leave them idle."""
    yield shared_replicas
    for server in shared_replicas.servers.values():
        server.wait_until_idle()


@pytest.fixture
def own_replicas() -> Iterator[Replicas]:
    """Servers that the test may stop."""
    with three_servers() as replicas:
        yield replicas


def lines(message: str) -> list[Any]:
    """Return the JSON lines of a termination message."""
    return [json.loads(line) for line in message.splitlines()]


def active(replicas: Replicas) -> float:
    """Return how many searches run on all servers."""
    return sum(each.metric("hashfinder_searches_active") for each in replicas.servers.values())


def hashes(replicas: Replicas) -> float:
    """Return how many hashes all servers have computed."""
    return sum(each.metric("hashfinder_hashes_total") for each in replicas.servers.values())


# --- What an API server demands of such a Job, beyond the schema ---


def test_job_meets_the_rules_of_the_api() -> None:
    """The validation rules of batch/v1 that the schemas do not contain."""
    job = one_of("sharded-search", "Job")
    spec = job["spec"]
    [container] = spec["template"]["spec"]["containers"]
    assert "Indexed" == spec["completionMode"]
    assert "Never" == spec["template"]["spec"]["restartPolicy"]
    assert "Failed" == spec["podReplacementPolicy"]
    assert spec["backoffLimitPerIndex"] >= 0
    assert 0 < spec["completions"] <= 10**5
    assert len(f"{job['metadata']['name']}-{10**5}") <= 63
    assert {"selector", "manualSelector", "backoffLimit"}.isdisjoint(spec)
    [success] = spec["successPolicy"]["rules"]
    assert {"succeededCount": 1} == success
    rules = spec["podFailurePolicy"]["rules"]
    assert len(rules) <= 20
    for rule in rules:
        assert rule["action"] in {"FailJob", "FailIndex", "Ignore", "Count"}
        assert 1 == len(rule.keys() & {"onExitCodes", "onPodConditions"})
        if "onExitCodes" in rule:
            codes = rule["onExitCodes"]
            assert ("In", container["name"]) == (codes["operator"], codes["containerName"])
            assert sorted({*codes["values"]}) == codes["values"]
            assert 0 not in codes["values"]
        else:
            [condition] = rule["onPodConditions"]
            assert {"type": "DisruptionTarget", "status": "True"} == condition


def test_every_exit_code_has_a_rule() -> None:
    """Each one fails the Job, counts as a failed attempt, or is ignored."""
    job = one_of("sharded-search", "Job")
    expected = {
        ExitCode.FAULT: "Count",
        ExitCode.USAGE: "FailJob",
        ExitCode.BUDGET_SPENT: "FailIndex",
        ExitCode.DEADLINE: "FailIndex",
        ExitCode.UNAVAILABLE: "Count",
        ExitCode.INVALID: "FailJob",
        ExitCode.BUSY: "Count",
        ExitCode.UNTRUE: "FailJob",
        ExitCode.DENIED: "FailJob",
        ExitCode.STOPPED: "FailJob",
        ExitCode.INTERRUPTED: "Ignore",
        ExitCode.BROKEN_PIPE: "Count",
        ExitCode.TERMINATED: "Ignore",
    }
    assert expected == {code: action_for(job, code) for code in ExitCode if code}
    assert "Ignore" == action_for(job, 137, frozenset({"DisruptionTarget"}))
    assert "Count" == action_for(job, 137)
    named = {
        code
        for rule in job["spec"]["podFailurePolicy"]["rules"]
        for code in rule.get("onExitCodes", {}).get("values", ())
    }
    assert named <= set(ExitCode)


# --- Parameters ---


@pytest.mark.parametrize("shards", [1, 7])
def test_every_shard_has_a_pod(tmp_path: Path, shards: int) -> None:
    """All run at once; the Job and the command line have the same number."""
    objects = with_parameters(tmp_path, {"SHARDS": str(shards)})
    [job] = [each for each in objects if each["kind"] == "Job"]
    assert shards == job["spec"]["completions"] == job["spec"]["parallelism"]
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert "--shard=$(JOB_COMPLETION_INDEX)/$(SHARDS)" in container["args"]


def test_changed_search_can_be_deleted(tmp_path: Path) -> None:
    """After any change the objects keep their names, so that `delete -k` finds them.

    The ConfigMap is immutable: applying a change without deleting it first is refused.
    """
    changed = with_parameters(tmp_path, {"NAME": "other", "SHARDS": "2"})
    names = [(each["kind"], each["metadata"]["name"]) for each in changed]
    assert [("ConfigMap", "hashfinder-search"), ("Job", "hashfinder-search")] == names
    assert changed[0]["immutable"] is True


def test_every_parameter_is_used() -> None:
    """In the arguments, or by the command line itself."""
    job = one_of("sharded-search", "Job")
    [container] = job["spec"]["template"]["spec"]["containers"]
    used = set(re.findall(r"\$\((\w+)\)", " ".join(container["args"])))
    given = configured("sharded-search", container).keys()
    assert used == (given - {"HASHFINDER_SERVER"}) | {"JOB_COMPLETION_INDEX"}


# --- Runs ---


def test_first_match_ends_the_search(replicas: Replicas, start_job: StartJob) -> None:
    """The other shards cancel and end; the termination message has the match, which is verified."""
    job = start_job({**NEAR, "SHARDS": "3"}, replicas.target)

    assert "SuccessPolicy" == job.run(SECONDS)

    assert [0] == sorted(job.succeeded)  # the match is in range 6 of 3 shards
    result, end = lines(job.successful.message)
    assert ("result", HIT, True) == (result["type"], result["position"], result["is_ideal"])
    truth = score(HIT, NAME)
    assert (truth.hashed_name, 0) == (result["hashed_name"], result["distance"])
    assert truth.secret == b64decode(result["secret"])
    assert ("end", 0) == (end["type"], end["exit_code"])
    others = [pod for pod in job.pods if pod is not job.successful]
    assert [ExitCode.TERMINATED] * 2 == [pod.exit_code for pod in others]
    assert all(pod.grace_used is not None and pod.grace_used < 8 for pod in others)


def test_search_without_a_match_fails_after_all_shards(
    replicas: Replicas, start_job: StartJob
) -> None:
    """Each shard has searched its ranges once, even an empty share; each message reports it."""
    bounds = {"RANGE_SIZE": "300000", "MAXIMUM_HASHES": "750000", "START_POSITION": "1000"}
    before = hashes(replicas)
    job = start_job({**HOPELESS, **bounds, "SHARDS": "4"}, replicas.target)

    assert "FailedIndexes" == job.run(SECONDS)

    assert set(range(4)) == job.failed
    assert 4 == len(job.pods)
    assert {ExitCode.BUDGET_SPENT} == {pod.exit_code for pod in job.pods}
    for pod in job.pods:
        [end] = lines(pod.message)
        assert ("end", ExitCode.BUDGET_SPENT) == (end["type"], end["exit_code"])
    assert 750_000 == hashes(replicas) - before


def test_invalid_request_fails_the_job(replicas: Replicas, start_job: StartJob) -> None:
    """The first shard that gets the status fails the Job."""
    job = start_job({**HOPELESS, "NAME": "no-letter", "SHARDS": "2"}, replicas.target)

    assert "PodFailurePolicy" == job.run(SECONDS)

    assert 2 == len(job.pods)
    assert ExitCode.INVALID in {pod.exit_code for pod in job.pods}


def test_usage_error_fails_the_job(replicas: Replicas, start_job: StartJob) -> None:
    """No RPC is sent."""
    before = hashes(replicas)
    job = start_job({**HOPELESS, "RANGE_SIZE": "0", "SHARDS": "2"}, replicas.target)

    assert "PodFailurePolicy" == job.run(SECONDS)

    assert ExitCode.USAGE in {pod.exit_code for pod in job.pods}
    assert before == hashes(replicas)


def test_evicted_shard_is_replaced_without_a_failure(
    replicas: Replicas, start_job: StartJob
) -> None:
    """It ends by SIGTERM, and its index starts again in another pod."""
    job = start_job({**HOPELESS, "SHARDS": "2"}, replicas.target)
    eventually(lambda: active(replicas) == 2, "both search", SECONDS)

    job.disrupt(1)
    eventually(lambda: not job.sync() and len(job.pods) == 3, "it is replaced", SECONDS)
    assert ExitCode.TERMINATED == job.pods[1].exit_code
    assert 1 == job.pods[2].index
    assert all("--shard=1/2" in pod.arguments for pod in job.pods[1:])
    eventually(lambda: active(replicas) == 2, "both search again", SECONDS)
    assert not job.failures.total()


def test_rollout_of_the_servers_causes_no_failure(
    own_replicas: Replicas, start_job: StartJob
) -> None:
    """Every server is replaced meanwhile: each shard resumes on another."""
    job = start_job({**HOPELESS, "SHARDS": "3"}, own_replicas.target)
    eventually(lambda: active(own_replicas) == 3, "all search", SECONDS)
    for _ in range(3):
        own_replicas.add()
        leaving = own_replicas.remove()
        leaving.send(signal.SIGTERM)
        assert 0 == leaving.wait()

    eventually(lambda: active(own_replicas) == 3, "all search on the new servers", SECONDS)
    assert not job.sync()
    assert 3 == len(job.pods)
    assert not job.failures.total()
