"""The stack: the client job, access from the host, hardening, restart and drain."""

import json
import os
import re
import shutil
import subprocess
import threading
from typing import Any
from urllib.request import urlopen

import pytest

from hashfinder_cli.exit_codes import ExitCode
from tests.container.conftest import Job
from tests.container.stack import Stack, eventually

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]

HOPELESS = "abcdefghijklmnop"
Line = dict[str, Any]


def find(stack: Stack, *arguments: str) -> subprocess.Popen[str]:
    """Start `hashfinder find` in a container beside the server; it writes lines of JSON."""
    fixed = ("find", "--server=server:50051", "--json", "--timeout=120")
    return stack.start("run", "--rm", "-T", "--no-deps", "client", *fixed, *arguments)


def ended(process: subprocess.Popen[str]) -> tuple[int, list[Line]]:
    """Wait for a search; return its exit code and its lines, the last of which is its end."""
    output, errors = process.communicate(timeout=150)
    lines = [json.loads(line) for line in output.splitlines()]
    assert lines, errors
    assert "end" == lines[-1]["type"], errors
    return process.returncode, lines


def results(lines: list[Line]) -> list[tuple[int, str]]:
    """Return the position and the hash of each result."""
    return [(each["position"], each["hashed_name"]) for each in lines if each["type"] == "result"]


def active_searches(stack: Stack) -> float:
    """Return how many searches run, according to the server."""
    with urlopen(f"http://{stack.address('server', 9464)}/metrics", timeout=10) as response:
        text = response.read().decode()
    [number] = re.findall(r"^hashfinder_searches_active (.+)$", text, re.MULTILINE)
    return float(number)


def wait_for_search(stack: Stack) -> None:
    """Return when the server reports a search."""
    eventually(lambda: active_searches(stack) == 1, "the search is under way")


def test_client_job_ends_well_and_reports_what_it_did(job: Job) -> None:
    """The job runs a find, a stream, a cancelled search, a budget and a deadline, and exits 0."""
    assert 0 == job.exit_code, job.log
    titles = [line for line in job.log.splitlines() if line.startswith("# ")]
    for word in ("finds", "stream", "cancelled", "budget", "deadline"):
        assert 1 == sum(word in title for title in titles), word
    assert "Sp0dOCTORuYUE/jHhX6sk5+8rvA=" in job.log


def test_prometheus_scrapes_the_server_and_the_gateway(stack: Stack) -> None:
    """Both are up; only the gateway's own metrics are kept."""
    targets = stack.prometheus("targets", state="active")["activeTargets"]

    assert {("up", "")} == {(target["health"], target["lastError"]) for target in targets}
    urls = sorted(target["scrapeUrl"] for target in targets)
    assert ["http://server:9464/metrics", "http://web:8080/metrics"] == urls
    [hashes] = stack.query("hashfinder_hashes_total")
    assert "hashfinder" == hashes.labels["job"]
    assert stack.query("hashfinder_web_connections")


def test_gateway_searches_for_curl_and_stops_when_it_leaves(stack: Stack) -> None:
    """Curl calls the published port from the host."""
    address = stack.address("web", 8080)
    with urlopen(f"http://{address}/find/dad", timeout=60) as response:
        lines = [json.loads(line) for line in response]
    assert "ok" == lines[-1]["end"]["code"]
    with urlopen(f"http://{address}/", timeout=60) as response:
        assert b"<title>HashFinder" in response.read()

    with urlopen(f"http://{address}/find/{HOPELESS}", timeout=60):
        wait_for_search(stack)
    eventually(lambda: active_searches(stack) == 0, "the search is gone")


def test_counters_moved_by_what_the_job_did_and_no_more(stack: Stack, job: Job) -> None:
    """Each search of the job counts once, by its method and code, and by its cause."""
    handled = stack.query(
        'grpc_server_handled_total{grpc_service="hash_name.HashFinder"} > 0', at=job.ended
    )
    assert {
        ("Find", "OK"): 1,
        ("Find", "ResourceExhausted"): 1,
        ("Find", "DeadlineExceeded"): 1,
        ("Find", "InvalidArgument"): 1,
        ("FindRange", "OK"): 1,
        ("FindRange", "Canceled"): 1,
        ("Estimate", "OK"): 1,
    } == {(each.labels["grpc_method"], each.labels["grpc_code"]): each.value for each in handled}

    stopped = stack.query("hashfinder_cancellations_total > 0", at=job.ended)
    assert {
        ("Find", "budget"): 1,
        ("Find", "deadline"): 1,
        ("FindRange", "client_cancel"): 1,
    } == {(each.labels["method"], each.labels["cause"]): each.value for each in stopped}

    [freed] = stack.query("hashfinder_cancel_latency_seconds_count", at=job.ended)
    assert 2 == freed.value, "the cancelled search, and the one whose deadline passed"
    [hashes] = stack.query("hashfinder_hashes_total", at=job.ended)
    assert hashes.value > 100_000_000, "the budget alone"


@pytest.mark.parametrize("service", ["server", "client", "web", "prometheus"])
def test_containers_are_hardened(stack: Stack, service: str) -> None:
    """A read-only root, no capabilities, no new privileges."""
    host = stack.inspect(service)["HostConfig"]

    assert host["ReadonlyRootfs"]
    assert ["ALL"] == host["CapDrop"]
    assert not host["CapAdd"]
    assert ["no-new-privileges:true"] == host["SecurityOpt"]
    assert not host["Privileged"]


def test_server_process_has_no_privilege(stack: Stack) -> None:
    """PID 1 is the server, runs as 65532 without capabilities, and cannot write anywhere."""
    script = r"""
import os
with open('/proc/1/status') as file:
    status = dict(line.rstrip('\n').split(':\t', 1) for line in file)
for name in ('Name', 'Uid', 'Gid', 'CapEff', 'CapBnd', 'NoNewPrivs'):
    print(status[name].replace('\t', ' '))
print(*(os.access(path, os.W_OK) for path in ('/', '/tmp', '/opt/venv', '/opt/bytecode')))
"""
    shown = stack.compose("exec", "-T", "server", "python", "-c", script).splitlines()

    ids, none = "65532 65532 65532 65532", "0" * 16
    unwritable = "False False False False"
    assert ["hashfinder-serv", ids, ids, none, none, "1", unwritable] == shown


def test_server_is_limited(stack: Stack) -> None:
    """Memory, processes and CPU are limited; the remaining part of a core has a worker as well."""
    host = stack.inspect("server")["HostConfig"]
    assert (256 * 2**20, 100) == (host["Memory"], host["PidsLimit"])
    # a quota may exceed the machine's cores, unlike `cpus`
    assert (150_000, 100_000, 0) == (host["CpuQuota"], host["CpuPeriod"], host["NanoCpus"])
    [workers] = stack.query("hashfinder_workers")
    assert min(2, os.cpu_count() or 1) == workers.value


@pytest.mark.parametrize("service", ["server", "client", "web", "prometheus"])
def test_nothing_of_the_host_is_mounted(stack: Stack, service: str) -> None:
    """Permissions and labels of files on the host cannot prevent a container from starting."""
    assert {"bind"}.isdisjoint(mount["Type"] for mount in stack.inspect(service)["Mounts"])


@pytest.mark.parametrize("service", ["server", "web", "prometheus"])
def test_ports_are_published_on_this_machine_alone(stack: Stack, service: str) -> None:
    """Other machines cannot reach the stack's ports."""
    published = stack.inspect(service)["NetworkSettings"]["Ports"].values()

    assert {"127.0.0.1"} == {each["HostIp"] for bindings in published for each in bindings or []}


def test_grpcurl_reaches_the_server_from_the_host(stack: Stack) -> None:
    """Grpcurl gets the contract by reflection, and a result."""
    grpcurl = shutil.which("grpcurl")
    assert grpcurl, "grpcurl is not on the PATH: `make test-container` puts it there"
    call = ("-d", '{"desired_name": "doctor"}', stack.address("server", 50051))

    answer = subprocess.run(
        [grpcurl, "-plaintext", *call, "hash_name.HashFinder/Find"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert {
        "secret": "pO0G",
        "hashed_name": "Sp0dOCTORuYUE/jHhX6sk5+8rvA=",
        "position": "10874375",
    } == json.loads(answer)


def test_client_resumes_after_a_restart_of_the_server(stack: Stack) -> None:
    """The restart reports where to resume; both parts together have all results."""
    search = (HOPELESS, "--show-inferior=10")
    with find(stack, *search) as process:
        wait_for_search(stack)
        stack.compose("restart", "server")
        exit_code, before = ended(process)
    assert ExitCode.UNAVAILABLE == exit_code, before[-1]
    resume = before[-1]["next_position"]
    stack.wait_until_healthy("server")

    stop = resume + 10_000_000
    with find(stack, *search, f"--start-position={resume}", "--maximum-hashes=10000000") as process:
        exit_code, after = ended(process)
    assert (ExitCode.BUDGET_SPENT, stop) == (exit_code, after[-1]["next_position"])

    with find(stack, *search, f"--maximum-hashes={stop}") as process:
        _, whole = ended(process)
    assert results(before), "too short a search to prove anything"
    assert results(whole) == results(before) + results(after)


def test_server_drains_on_sigterm(stack: Stack) -> None:
    """`docker stop` ends the search with a status, and the server exits 0 before it is killed."""
    with find(stack, HOPELESS) as process:
        wait_for_search(stack)
        stopping = threading.Thread(target=stack.compose, args=("stop", "server"))
        stopping.start()
        exit_code, lines = ended(process)
        stopping.join()
    state = stack.inspect("server")["State"]
    log = stack.logs("server")
    stack.compose("start", "server")
    stack.wait_until_healthy("server")

    assert ExitCode.UNAVAILABLE == exit_code, lines[-1]
    assert (0, False) == (state["ExitCode"], state["OOMKilled"])
    events = [json.loads(line)["event"] for line in log.splitlines() if line.startswith("{")]
    assert ["signal", "draining", "rpc ended", "stopped"] == events[-4:]
