"""The real server as a separate process: flags in; addresses, logs and metrics out."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc

from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.program import Program
from tests.integration.samples import Samples, scrape

SERVICE = "hash_name.HashFinder"
PROGRAM = (sys.executable, "-m", "hashfinder")

IDLE_KERNEL = """
import time
from hashfinder.kernel import Scan
from hashfinder.kernel.python import PythonScanner
scan = PythonScanner.scan
def idle(self, start, stop, best_distance, capacity, halt=None):
    if halt is None or not self._query.name.startswith("hopeless"):
        return scan(self, start, stop, best_distance, capacity)
    time.sleep(0.005)
    return Scan(start + 1, [])
PythonScanner.scan = idle
"""
"""Run before a server with ``--kernel python``: searches for hopeless... need no CPU time."""

PACED_KERNEL = """
import time
from hashfinder.kernel import available_backends, load_kernel
from hashfinder.kernel.python import PythonKernel
fastest = load_kernel(available_backends()[0])
class PacedScanner:
    def __init__(self, query):
        self._scanner = fastest.prepare(query)
    def scan(self, start, stop, *rules):
        time.sleep(0.005)
        return self._scanner.scan(start, min(stop, start + 100), *rules)
PythonKernel.prepare = lambda self, query: PacedScanner(query)
"""
"""Run before a server with ``--kernel python``: at most 20,000 hashes a second each worker.

A search takes its time, but hardly any of the CPU's.
"""

_STOP_SECONDS = 20.0
_START_SECONDS = 30.0


def eventually(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Wait until `condition` holds; after `seconds`, fail and name `what` was waited for.

    Checks become rarer the longer it takes, since each uses CPU time.
    """
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(min(0.01 + waited / 10, 0.2))


def listening_ports(pid: int) -> set[int]:
    """Return the TCP ports that a process listens on, from /proc."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
    rows = [
        row.split()
        for family in ("tcp", "tcp6")
        for row in Path(f"/proc/{pid}/net/{family}").read_text().splitlines()[1:]
    ]
    return {
        int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in inodes
    }


class ServerProcess:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        """Store the process and the file that its stderr goes to; wait until it serves."""
        self.process = process
        self.faults_expected = False
        self._log = log
        eventually(
            lambda: process.poll() is not None or '"serving"' in log.read_text(encoding="utf-8"),
            "the server serves",
            _START_SECONDS,
        )
        serving = self.logs("serving")
        assert serving, f"the server ended with {process.poll()}; the log: {log.read_text()}"
        self.address: str = serving[0]["grpc"]
        self.metrics_url = f"http://{serving[0]['metrics']}/metrics"
        self.kernel: str = serving[0]["kernel"]
        self.workers: int = serving[0]["workers"]

    def logs(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the log lines so far, optionally those of one event. Every line must be JSON."""
        # The last line may be incomplete.
        text = self._log.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
        stray = [line for line in text if not line.startswith("{")]
        assert not stray, f"on stderr, but not JSON: {stray}"
        lines = [json.loads(line) for line in text]
        return [line for line in lines if event is None or line["event"] == event]

    def samples(self) -> Samples:
        """Return the current metrics."""
        return scrape(self.metrics_url)

    def metric(self, name: str, **labels: str) -> float:
        """Return the current value of one metric."""
        return scrape(self.metrics_url, name).value(name, **labels)

    def wait_until_idle(self, seconds: float = 10.0) -> None:
        """Return when no worker is busy, no search is running, and each ended RPC is counted.

        An RPC is counted up to 50 ms after its end, once its cause is known.
        """
        gauges = (
            "hashfinder_searches_active",
            "hashfinder_searches_queued",
            "hashfinder_workers_busy",
        )

        counters = ("grpc_server_started_total", "grpc_server_handled_total")

        def idle() -> bool:
            samples = scrape(self.metrics_url, *gauges, *counters)
            started, handled = (samples.value(name, grpc_service=SERVICE) for name in counters)
            return started == handled and not any(samples.value(gauge) for gauge in gauges)

        eventually(idle, "no search running, no worker busy, all counted", seconds)

    def wait_until_nothing_is_sent(self, seconds: float = 60.0) -> None:
        """Return when no message was sent for a second: no client reads, or all were sent."""
        sent, since = -1.0, time.monotonic()

        def is_silent() -> bool:
            nonlocal sent, since
            now = self.metric("grpc_server_msg_sent_total")
            if now != sent:
                sent, since = now, time.monotonic()
            return time.monotonic() - since > 1

        eventually(is_silent, "nothing is sent", seconds)

    def wait_for_searches(self, count: int, seconds: float = 20.0) -> None:
        """Return when `count` searches are running."""
        eventually(
            lambda: self.metric("hashfinder_searches_active") == count,
            f"{count} searches are running",
            seconds,
        )

    def wait_for_parked(self, count: int) -> None:
        """Return when `count` searches are parked: their clients do not read."""
        eventually(
            lambda: self.metric("hashfinder_searches_parked") == count, f"{count} are parked", 30
        )

    @contextmanager
    def stub(self, **options: int) -> Iterator[HashFinderStub]:
        """Yield a stub on its own channel and connection; `options` are gRPC's."""
        with self.channel(**options) as channel:
            yield HashFinderStub(channel)

    @contextmanager
    def channel(self, **options: int) -> Iterator[grpc.Channel]:
        """Yield a channel with its own connection; `options` are gRPC's."""
        named = {f"grpc.{name}": value for name, value in options.items()}
        arguments = {"grpc.use_local_subchannel_pool": 1, **named}
        with grpc.insecure_channel(self.address, options=list(arguments.items())) as channel:
            yield channel

    def send(self, signum: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(signum)

    def wait(self, seconds: float = _STOP_SECONDS) -> int:
        """Wait for the end of the process, and return its exit code."""
        return self.process.wait(seconds)


@contextmanager
def run_server(
    *flags: str,
    env: Mapping[str, str] | None = None,
    before: str = "",
    program: Program | None = None,
) -> Iterator[ServerProcess]:
    """Run a server on free ports; stop it afterwards, unless the test already has.

    `before` is Python code that the process runs first, to inject a fault. `program` forks the
    server, if it is given.

    The test fails if the process dies unexpectedly, writes a line to stderr that is not JSON, or
    logs an error that the test did not expect.
    """
    with TemporaryDirectory() as folder:
        log = Path(folder, "stderr.jsonl")
        process = start_process(*flags, env=env, log=log, before=before, program=program)
        try:
            server = ServerProcess(process, log)
            yield server
            asked_to_end = process.returncode is not None
            if not asked_to_end:
                assert process.poll() is None, f"the server died unexpectedly: {server.logs()}"
                process.send_signal(signal.SIGTERM)
                assert process.wait(_STOP_SECONDS) == 0, server.logs()
            faults = [line for line in server.logs() if line["level"] in {"error", "critical"}]
            assert server.faults_expected or not faults, faults
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


RunServer = Callable[..., AbstractContextManager[ServerProcess]]


def start_process(
    *flags: str,
    env: Mapping[str, str] | None,
    log: Path,
    before: str = "",
    program: Program | None = None,
) -> subprocess.Popen[str]:
    """Start a server that logs to the file `log`; see `run_server`."""
    environment = server_environment(env)
    with log.open("w") as stderr:
        if program:
            words = server_flags(*flags)
            return program.start(
                words, environment, before=before, stdout=subprocess.DEVNULL, stderr=stderr
            )
        return subprocess.Popen(
            server_command(*flags, before=before),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            text=True,
            env=environment,
        )


def server_command(*flags: str, before: str = "") -> list[str]:
    """Return the command line of a server with `server_flags`.

    `before` is Python code that runs first, to break something.
    """
    if not before:
        return [*PROGRAM, *server_flags(*flags)]
    code = f"import sys\n{before}\nfrom hashfinder.__main__ import main\nsys.exit(main())"
    return [sys.executable, "-c", code, *server_flags(*flags)]


def server_flags(*flags: str) -> list[str]:
    """Return the flags of a server that drains immediately on a signal.

    Its ports are free ones, unless `flags` has a --listen.
    """
    port = () if "--listen" in flags else ("--port", "0")
    return [*port, "--metrics-port", "0", "--drain-grace", "0", *flags]


def server_environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment, with the server's settings replaced by `env`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("HASHFINDER_")}
    return {**own, **(env or {})}
