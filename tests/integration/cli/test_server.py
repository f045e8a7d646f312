"""The command line and the real server, end to end."""

import json
import re
import shlex
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.integration.cli.scripted import Run, Start, distance_between, hash_of
from tests.integration.server_process import ServerProcess, eventually

ServeReal = Callable[..., ServerProcess]
HOPELESS = "hashfinderhashfinder"


@pytest.fixture
def server(server_process: ServeReal) -> ServerProcess:
    """A server with its defaults."""
    return server_process()


def test_find(run: Run, server: ServerProcess) -> None:
    """A name is found, and inferior results come before it, in order."""
    asked = ["find", "docto", "--show-inferior", "1", "--json", "--server", server.address]
    done = run(*asked)

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
    assert server.kernel == end["kernel"]
    alone = run("find", "docto", "--server", server.address)
    assert str(positions[-1]) == alone.stdout.split("\t")[1]


def test_budget_and_resume(run: Run, server: ServerProcess) -> None:
    """The command printed when the budget is spent goes on where the search stopped."""
    whole = run("find", "doct", "--server", server.address)
    position = int(whole.stdout.split("\t")[1])

    first = run("find", "doct", "--maximum-hashes", str(position - 1), "--server", server.address)
    command = shlex.split(first.stderr.splitlines()[-1])
    second = run(*command[1:])

    assert (3, "") == (first.returncode, first.stdout)
    assert str(position - 1) == command[command.index("--start-position") + 1]
    assert (0, whole.stdout) == (second.returncode, second.stdout)


def test_all_violations(run: Run, server: ServerProcess) -> None:
    """Every violation is told at once, by its flag."""
    options = {"--ideal-distance": -1, "--maximum-hashes": 0, "--progress-interval": 0.001}
    given = [str(word) for option in options.items() for word in option]
    done = run("find", "", *given, "--show-inferior", "29", "--server", server.address)

    assert (6, "") == (done.returncode, done.stdout)
    assert {"NAME", "--show-inferior", *options} == set(
        re.findall(r"^  (\S+): must ", done.stderr, re.MULTILINE)
    )


@pytest.mark.parametrize(
    ("options", "method"), [([], "Find"), (["--progress-interval", "0.1"], "FindRange")]
)
def test_cancel(start: Start, server: ServerProcess, options: list[str], method: str) -> None:
    """Ctrl-C frees the server's workers, and is counted there as what it is."""
    process = start("find", HOPELESS, *options, "--server", server.address)
    server.wait_for_searches(1)
    if options:
        _wait_for_progress(process)

    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)

    assert 130 == process.returncode
    assert bool(options) == ("resume with --start-position" in stderr)
    server.wait_until_idle()
    eventually(
        lambda: (
            1
            == server.metric("hashfinder_cancellations_total", method=method, cause="client_cancel")
        ),
        "one client_cancel counted",
    )


@pytest.mark.parametrize(
    ("stop", "sentence"),
    [(signal.SIGTERM, "is shutting down"), (signal.SIGKILL, "Lost the connection")],
)
def test_server_goes_away(
    start: Start, server: ServerProcess, stop: signal.Signals, sentence: str
) -> None:
    """Whether the server drains or dies, the exit code is 5, and the search can be resumed."""
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
    assert process.stderr.readline().startswith(f"{HOPELESS}  ")


@pytest.mark.parametrize("service", ["", "hash_name.HashFinder"])
def test_healthy(run: Run, server: ServerProcess, service: str) -> None:
    """A serving server, or service, is exit code 0; its kernel is told with it."""
    done = run("health", "--service", service, variables={"HASHFINDER_SERVER": server.address})

    assert (0, f"SERVING, kernel {server.kernel}\n") == (done.returncode, done.stdout)


def test_health_of_an_unknown_service(run: Run, server: ServerProcess) -> None:
    """A service that the server does not know is not healthy."""
    done = run("health", "--service", "x.Y", "--server", server.address)

    assert (5, "") == (done.returncode, done.stdout)
    assert f"The server at {server.address} knows no service 'x.Y'.\n" == done.stderr
