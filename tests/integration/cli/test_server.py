"""The command line and the real server, end to end."""

import json
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from typing import IO

import pytest

from tests.integration.scripted import Run, Start, distance_between, hash_of
from tests.integration.server_process import ServerProcess, eventually

ServeReal = Callable[..., ServerProcess]
HOPELESS = "hashfinderhashfinder"


def test_find(call: Run, module_server: ServerProcess) -> None:
    """A name is found; inferior results come before it, in order."""
    asked = ["find", "docto", "--show-inferior", "1", "--json", "--server", module_server.address]
    done = call(*asked)

    assert (0, "") == (done.returncode, done.stderr)
    *results, end = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) > 1
    assert [1] * (len(results) - 1) + [0] == [result["distance"] for result in results]
    positions = [result["position"] for result in results]
    assert sorted(positions) == positions
    for result in results:
        hashed_name = hash_of(bytes.fromhex(result["secret_hex"]))
        assert (hashed_name, result["distance"]) == (
            result["hashed_name"],
            distance_between("docto", hashed_name),
        )
    assert module_server.kernel == end["kernel"]
    alone = call("find", "docto", "--server", module_server.address)
    assert str(positions[-1]) == alone.stdout.split("\t")[1]


def test_budget_and_resume(call: Run, module_server: ServerProcess) -> None:
    """The command printed when the budget is spent resumes where the search stopped."""
    whole = call("find", "doct", "--server", module_server.address)
    position = int(whole.stdout.split("\t")[1])

    first = call(
        "find", "doct", "--maximum-hashes", str(position - 1), "--server", module_server.address
    )
    command = shlex.split(first.stderr.splitlines()[-1])
    second = call(*command[1:])

    assert (3, "") == (first.returncode, first.stdout)
    assert str(position - 1) == command[command.index("--start-position") + 1]
    assert (0, whole.stdout) == (second.returncode, second.stdout)


def test_resume(call: Run, module_server: ServerProcess, server_process: ServeReal) -> None:
    """With --resume the search continues beyond the server's budget, with the same results."""
    asked = ["find", "docto", "--show-inferior", "1", "--server"]
    small = server_process("--maximum-hashes", "100000")

    whole = call(*asked, module_server.address)
    resumed = call(*asked, small.address, "--resume")

    assert (0, whole.stdout) == (resumed.returncode, resumed.stdout)
    lines = resumed.stderr.splitlines()
    position = int(whole.stdout.splitlines()[-1].split("\t")[1])
    assert [
        f"Nothing found: the budget was spent after {n:,} hashes. Resuming from position {n}."
        for n in range(100_000, position + 1, 100_000)
    ] == lines
    assert lines


def test_server_killed_while_resuming(start: Start, server_process: ServeReal) -> None:
    """With --resume a search survives its server; Ctrl-C works even while no server runs."""
    server = server_process()
    asked = ["find", HOPELESS, "--resume", "--progress-interval", "0.1", "--server"]
    process = start(*asked, server.address)
    _wait_for_progress(process)
    server.send(signal.SIGKILL)
    server.wait()
    assert process.stderr is not None
    _read_until(process.stderr, "Resuming from position")
    again = server_process("--port", server.address.rpartition(":")[2])
    _read_until(process.stderr, HOPELESS)
    again.wait_for_searches(1)
    again.send(signal.SIGKILL)
    again.wait()
    _read_until(process.stderr, "Resuming from position")

    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)

    assert (130, "") == (process.returncode, stdout)
    assert "Cancelled.\nTo continue, resume with --start-position" in stderr
    assert "hashfinder find --progress --resume --server" in stderr


def _read_until(stream: IO[str], part: str) -> None:
    while part not in stream.readline():
        pass


def test_all_violations(call: Run, module_server: ServerProcess) -> None:
    """All violations are reported at once, by their flags."""
    options = {"--ideal-distance": -1, "--maximum-hashes": 0, "--progress-interval": 0.001}
    given = [str(word) for option in options.items() for word in option]
    done = call("find", "", *given, "--show-inferior", "29", "--server", module_server.address)

    assert (6, "") == (done.returncode, done.stdout)
    assert {"NAME", "--show-inferior", *options} == set(
        re.findall(r"^  (\S+): must ", done.stderr, re.MULTILINE)
    )


@pytest.mark.parametrize(
    ("options", "method"), [([], "Find"), (["--progress-interval", "0.1"], "FindRange")]
)
def test_cancel(
    start: Start, module_server: ServerProcess, options: list[str], method: str
) -> None:
    """Ctrl-C frees the server's workers, and is counted as a cancel."""
    counted = _cancels(module_server, method)
    process = start("find", HOPELESS, *options, "--server", module_server.address)
    module_server.wait_for_searches(1)
    if options:
        _wait_for_progress(process)

    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)

    assert 130 == process.returncode
    assert bool(options) == ("resume with --start-position" in stderr)
    module_server.wait_until_idle()
    eventually(lambda: counted + 1 == _cancels(module_server, method), "one client_cancel counted")


def _cancels(server: ServerProcess, method: str) -> float:
    return server.metric("hashfinder_cancellations_total", method=method, cause="client_cancel")


@pytest.mark.parametrize(
    ("stop", "sentence"),
    [(signal.SIGTERM, "is shutting down"), (signal.SIGKILL, "Lost the connection")],
)
def test_server_goes_away(
    start: Start, server_process: ServeReal, stop: signal.Signals, sentence: str
) -> None:
    """If the server drains or dies, the exit code is 5, and the search can be resumed."""
    server = server_process()
    process = start("find", HOPELESS, "--progress-interval", "0.1", "--server", server.address)
    _wait_for_progress(process)

    server.send(stop)
    stdout, stderr = process.communicate(timeout=30)
    server.wait()

    assert (5, "") == (process.returncode, stdout)
    assert sentence in stderr
    assert "resume with --start-position" in stderr


def _wait_for_progress(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    _read_until(process.stderr, f"{HOPELESS}  ")


@pytest.mark.parametrize("service", ["", "hash_name.HashFinder"])
def test_healthy(run: Run, module_server: ServerProcess, service: str) -> None:
    """A serving server or service is exit code 0; the kernel in use is printed as well."""
    done = run(
        "health", "--service", service, variables={"HASHFINDER_SERVER": module_server.address}
    )

    assert (0, f"SERVING, kernel {module_server.kernel}\n") == (done.returncode, done.stdout)


def test_health_of_an_unknown_service(run: Run, module_server: ServerProcess) -> None:
    """A service that the server does not know is not healthy."""
    done = run("health", "--service", "x.Y", "--server", module_server.address)

    assert (5, "") == (done.returncode, done.stdout)
    assert f"The server at {module_server.address} knows no service 'x.Y'.\n" == done.stderr


def test_health_waits(start: Start, server_process: ServeReal) -> None:
    """With --wait it asks until the server is there and SERVING."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = start("health", "--wait", "30", "--server", address)
    time.sleep(1.5)
    assert process.poll() is None

    server = server_process("--port", address.rpartition(":")[2])
    stdout, stderr = process.communicate(timeout=30)

    assert (0, f"SERVING, kernel {server.kernel}\n", "") == (process.returncode, stdout, stderr)


def test_health_waits_no_longer_than_asked(run: Run) -> None:
    """When the time is up, it prints the last answer and exits like a single check."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"

    began = time.monotonic()
    done = run("health", "--wait", "1", "--server", address)

    assert (5, "") == (done.returncode, done.stdout)
    assert f"Cannot connect to {address}: Connection refused.\n" == done.stderr
    assert 0.4 < time.monotonic() - began < 10


@pytest.mark.parametrize("timeout", ["1e10", "1e18", "1e300"])
def test_long_timeouts(call: Run, module_server: ServerProcess, timeout: str) -> None:
    """A timeout beyond gRPC's range works like any long timeout."""
    asked = ["find", "dad", "--timeout", timeout, "--server", module_server.address]

    assert 0 == call(*asked).returncode
    assert 0 == call(*asked, "--progress").returncode
    assert 0 == call(*asked, "--shards", "2").returncode
