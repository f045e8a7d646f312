"""Run one attack against a server of its own; measure the server and a second client meanwhile."""

import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

import grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest, SearchProgress
from tests.integration.server_process import ServerProcess, eventually, run_server

QUIET_SECONDS = 1.0
"""Before the attack."""
_LONGEST_SECONDS = 60.0
_MEGA = 2**20


@dataclass(frozen=True)
class AttackResult:
    """What an attack did."""

    outcome: str
    """How the attacker's streams and connections ended."""
    health_p50: float
    health_p99: float
    """Seconds that another client's health checks took."""
    peak_mb: float
    """The server's peak memory."""
    neighbour: float
    """Another client's share of all hashes computed during the attack."""
    search_after: float
    """Seconds that a search on a new connection took after the attack; infinite if it failed."""


def run_attack(name: str, seconds: float) -> AttackResult:
    """Start a server and attack it for `seconds`, with one of the attacks of `tests.attacks`."""
    with run_server("--workers", "1") as server:
        server.faults_expected = True
        with _neighbour(server) as reports, _probe(server.address) as answers:
            time.sleep(QUIET_SECONDS)
            hashes, began = _hashes(server), time.monotonic()
            outcome = _attack(server, name, seconds)
            ended = time.monotonic()
            hashes = _hashes(server) - hashes
        search_after = _search(server)
        peak = _peak(server.process.pid)
    cuts = quantiles([took for at, took in answers if began <= at <= ended], n=100)
    share = _between(reports, began, ended) / hashes
    return AttackResult(outcome, cuts[49], cuts[98], peak, min(1.0, share), search_after)


def _hashes(server: ServerProcess) -> float:
    """Return the hashes computed so far. Waits for /metrics, which may be under attack as well."""
    samples: list[float] = []

    def answers() -> bool:
        with suppress(OSError):
            samples.append(server.metric("hashfinder_hashes_total"))
        return bool(samples)

    eventually(answers, "the metrics answer", 30)
    return samples[-1]


def _search(server: ServerProcess) -> float:
    began = time.monotonic()
    with server.stub() as stub:
        try:
            stub.Find(HashNameRequest(desired_name="a"), timeout=_LONGEST_SECONDS)
        except grpc.RpcError:
            return math.inf
    return time.monotonic() - began


def _attack(server: ServerProcess, name: str, seconds: float) -> str:
    metrics = urlsplit(server.metrics_url).netloc
    command = [sys.executable, "-m", "tests.attacks", name, server.address, metrics, str(seconds)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_LONGEST_SECONDS, check=True
    )
    return done.stdout.strip()


@contextmanager
def _neighbour(server: ServerProcess) -> Iterator[list[tuple[float, SearchProgress]]]:
    """Search during the attack; yield the progress reports with their arrival times."""
    reports: list[tuple[float, SearchProgress]] = []
    request = HashNameRequest(desired_name="hopelesslyhopeless")
    request.progress_interval.FromMilliseconds(100)
    with server.stub() as stub:
        call = stub.FindRange(request)

        def read() -> None:
            with suppress(grpc.RpcError):
                reports.extend((time.monotonic(), message.progress) for message in call)

        reader = threading.Thread(target=read)
        reader.start()
        yield reports
        call.cancel()
        reader.join()


def _between(reports: list[tuple[float, SearchProgress]], began: float, ended: float) -> int:
    """Return how many hashes a search computed between two times."""
    done = [report.hashes_computed for at, report in reports if began <= at <= ended]
    return done[-1] - done[0] if done else 0


@contextmanager
def _probe(address: str) -> Iterator[list[tuple[float, float]]]:
    """Check the health during the attack; yield (time, latency) pairs, complete at the end."""
    answers: list[tuple[float, float]] = []
    command = [sys.executable, "-m", "tests.bench.health_probe", address]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield answers
        output, _ = process.communicate()
    answers.extend((at, took) for at, took in map(json.loads, output.splitlines()))


def _peak(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / _MEGA
