"""`--local` runs a server for one command; nothing is left behind after any end."""

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hashfinder_cli.commands import tour
from hashfinder_client import local_server
from tests.integration.private_servers import PrivateServers, private_servers
from tests.integration.scripted import Run, Start
from tests.integration.server_process import ServerProcess

CLOSED = "127.0.0.1:9"
"""The discard port: anything that needs a server there fails."""
ENDLESS = ("doctordoctordoctor", "--show-inferior", "15", "--progress-interval", "0.05")


@pytest.fixture(autouse=True)
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateServers]:
    """The private servers of the test; none may be left at its end."""
    monkeypatch.delenv("HASHFINDER_SERVER", raising=False)
    with private_servers() as servers:
        monkeypatch.setenv("TMPDIR", str(servers.folder))
        yield servers


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `hashfinder-server` impossible to find."""
    monkeypatch.setattr(local_server, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "/nonexistent")


def test_search_needs_no_server(start: Start, servers: PrivateServers) -> None:
    """Two commands at once have a server each; variables meant for other servers have no effect."""
    of_others = {
        "HASHFINDER_SERVER": CLOSED,
        "HASHFINDER_TLS": "true",
        "HASHFINDER_TOKEN_FILE": "/nonexistent",
        "HASHFINDER_PORT": "1",
        "HASHFINDER_WORKERS": "none",
    }
    processes = [start("find", "doct", "--local", variables=of_others) for _ in range(2)]
    for process in processes:
        stdout, stderr = process.communicate(timeout=60)
        assert (0, "") == (process.returncode, stderr)
        assert "0\t69768\tAA+H\tep+dOCtYDvMGA6C73miaaEHnndU=\n" == stdout
    assert servers.are_gone()


def test_search_that_finds_nothing_leaves_nothing_behind(
    call: Run, servers: PrivateServers
) -> None:
    """The printed command starts a server again, and does not name the old socket."""
    done = call("find", *ENDLESS, "--local", "--timeout", "0.5", "--json")
    assert 4 == done.returncode
    assert servers.are_gone()
    command = shlex.split(done.stderr.splitlines()[-1])
    assert command[:3] == ["hashfinder", "find", "--local"]
    assert "--server" not in command


@pytest.mark.parametrize(
    ("signals", "codes"),
    [
        ([signal.SIGINT], {130}),
        ([signal.SIGTERM], {143}),
        ([signal.SIGINT, signal.SIGTERM], {130, 143}),  # the first may already have ended it
        ([signal.SIGKILL], {-signal.SIGKILL}),
    ],
    ids=["interrupted", "terminated", "second signal", "killed"],
)
def test_stop_leaves_nothing_behind(
    start: Start, servers: PrivateServers, signals: list[signal.Signals], codes: set[int]
) -> None:
    """If the command cannot wait for its server, the server ends by itself."""
    process = start("find", *ENDLESS, "--local", start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    servers.wait_for_one()
    # To the whole process group, like a terminal; the server is in another group.
    for each in signals:
        os.killpg(process.pid, each)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode in codes
    if signals == [signal.SIGINT]:
        assert re.search(r"Cancelled\.\n.*\n  hashfinder find --local --progress ", stderr)


def test_stop_while_the_server_starts_leaves_nothing(start: Start, servers: PrivateServers) -> None:
    """The command ends at once; the server ends when it would start to serve, or soon after."""
    process = start("find", *ENDLESS, "--local")
    servers.wait_for_one()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert 130 == process.returncode


@pytest.mark.usefixtures("missing")
def test_missing_server_is_explained(call: Run, tmp_path: Path) -> None:
    """The message says what to install, on stderr and in a result file."""
    file = tmp_path / "result"
    done = call("find", "doct", "--local", "--json", "--result-file", str(file))
    sentence = (
        "Cannot search with --local: there is no hashfinder-server here:"
        " install it with pip install hashfinder"
    )
    assert (5, f"{sentence}\n") == (done.returncode, done.stderr)
    for text in (done.stdout, file.read_text()):
        end = json.loads(text)
        assert ("end", 5, sentence) == (end["type"], end["exit_code"], end["message"])
    done = call("estimate", "doct", "--local")
    assert (5, "", f"{sentence}\n") == (done.returncode, done.stdout, done.stderr)


def test_server_that_does_not_start_says_why(
    call: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last lines are printed, without control characters."""
    monkeypatch.setattr(local_server, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program = tmp_path / "hashfinder-server"
    program.write_text("#!/bin/sh\nprintf 'no \\033[1mluck\\n' >&2; exit 1\n")
    program.chmod(0o755)
    done = call("find", "doct", "--local")
    sentence = "Cannot search with --local: hashfinder-server did not start:\n  no ?[1mluck\n"
    assert (5, "", sentence) == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("other", [("--server", CLOSED), ("--tls",), ("--token-file", "x")])
def test_named_server_is_not_replaced(call: Run, other: tuple[str, ...], order: int) -> None:
    """--local and --server exclude each other, in any order."""
    options = [("--local",), other][::order]
    done = call("find", "doct", *options[0], *options[1])
    assert 2 == done.returncode
    assert f"--local and {other[0]} exclude each other" in " ".join(done.stderr.split())


def test_estimate_needs_no_server(call: Run, servers: PrivateServers) -> None:
    """An estimate of a private server uses this machine's rate."""
    done = call("estimate", "doct", "--local", "--json")
    assert 0 == done.returncode
    assert json.loads(done.stdout)["hashes_per_second"] > 0
    assert servers.are_gone()


def test_tour_needs_no_server(
    call: Run, servers: PrivateServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its searches use one private server; variables for other servers have no effect."""
    monkeypatch.setattr(tour, "STOPS", (tour.STOPS[0], tour.STOPS[-1]))
    monkeypatch.setenv("HASHFINDER_SERVER", CLOSED)
    monkeypatch.setenv("HASHFINDER_TOKEN_FILE", "/nonexistent")
    done = call("tour", "--local")
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert servers.are_gone()


@pytest.mark.usefixtures("missing")
def test_tour_without_an_installed_server_is_explained(call: Run) -> None:
    """Nothing is shown; the message says what to install."""
    done = call("tour", "--local")
    assert (5, "") == (done.returncode, done.stdout)
    assert "Cannot search with --local: there is no hashfinder-server here" in done.stderr


def test_jobs_need_no_server(call: Run, servers: PrivateServers) -> None:
    """git-vanity and pow use a private server by default, because their result is used here."""
    done = call("pow", "bits", "--bits", "8", "--prefix", "challenge:")
    assert (0, "") == (done.returncode, done.stderr)
    assert servers.are_gone()


def test_jobs_take_the_server_that_is_named(
    call: Run, module_server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server named by the variable or the option is used; the option takes precedence."""
    asked = ("pow", "bits", "--bits", "8", "--retry", "0")
    monkeypatch.setenv("HASHFINDER_SERVER", CLOSED)
    assert 5 == call(*asked).returncode
    assert 0 == call(*asked, "--server", module_server.address).returncode
    monkeypatch.delenv("HASHFINDER_SERVER")
    assert 5 == call(*asked, "--tls").returncode
    monkeypatch.setenv("HASHFINDER_SERVER", module_server.address)
    assert 0 == call(*asked).returncode


@pytest.mark.usefixtures("missing")
def test_jobs_use_the_default_server_if_none_can_be_started(call: Run) -> None:
    """On a developer's machine it may be there."""
    done = call("pow", "bits", "--bits", "8", "--retry", "0")
    assert done.returncode in {0, 5}
    assert "Cannot search with --local" not in done.stderr


def test_bad_input_starts_no_server(call: Run, tmp_path: Path) -> None:
    """Input is checked before a server is started."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)  # noqa: S607 - from PATH
    assert 2 == call("git-vanity", "c0ffee", "--repo", str(tmp_path)).returncode
    assert 2 == call("find", "xyz", "--local", "--secret-length", "2000").returncode
