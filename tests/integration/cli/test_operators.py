"""`hashfinder searches` and `hashfinder stop` with a real server."""

import hashlib
import json
import os
import pty
import signal
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_client import Finder, Progress, StoppedByOperatorError
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.scripted import Run, Start
from tests.integration.server_process import RunServer, ServerProcess

HOPELESS = "hopelesslyhopeless"


@pytest.fixture(scope="module")
def server(
    run_server: RunServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server with a socket for operators."""
    path = tmp_path_factory.mktemp("run") / "admin"
    flags = ("--workers", "1", "--drain-grace", "0", "--admin-listen", f"unix:{path}")
    with run_server(*flags) as server:
        yield server


@pytest.fixture
def admin(server: ServerProcess) -> str:
    """The operators' address."""
    return str(server.logs("serving")[0]["admin"])


def test_search_is_listed_and_stopped(
    server: ServerProcess, admin: str, start: Start, call: Run
) -> None:
    """Its client exits with 10 and prints the command to resume, but does not resume itself."""
    process = start("find", HOPELESS, "--resume", "--server", server.address)
    server.wait_for_searches(1)
    [line] = call("searches", "--server", admin).stdout.splitlines()
    search_id, client, state, *_, share, name = line.split("\t")
    assert ("127.0.0.1", "running", "1.000", HOPELESS) == (client, state, share, name)

    listed = json.loads(call("searches", "--json", "--server", admin).stdout)
    assert (search_id, client, HOPELESS) == (listed["search_id"], listed["client"], listed["name"])
    assert str(listed["maximum_hashes"]) == listed["maximum_hashes_text"]

    stopped = call("stop", search_id, "--server", admin)
    assert (0, f"{search_id}\n", "") == (stopped.returncode, stopped.stdout, stopped.stderr)
    _, text = process.communicate(timeout=30)
    assert ExitCode.STOPPED == process.returncode
    assert f"The operator of the server at {server.address} has stopped the search." in text
    assert "--start-position" in text
    server.wait_until_idle()
    assert "" == call("searches", "--server", admin).stdout


def test_library_does_not_resume_what_an_operator_stopped(
    server: ServerProcess, admin: str, call: Run
) -> None:
    """It raises an error with the position to resume from."""
    with (
        Finder(server.address, progress_interval=0.05) as finder,
        finder.find_range(HOPELESS, timeout=50) as events,
    ):
        assert isinstance(next(events), Progress)
        call("stop", "--client", "127.0.0.1", "--server", admin)
        with pytest.raises(StoppedByOperatorError) as caught:
            deque(events)
    assert caught.value.next_position
    server.wait_until_idle()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("stop", "none"), ExitCode.INVALID, "no search has this id"),
        (("stop", "--client", "192.0.2.1"), ExitCode.FOUND, "That client has no search."),
        (("stop",), ExitCode.USAGE, "give either an ID or --client"),
        (("stop", "a", "--client", "b"), ExitCode.USAGE, "give either an ID or --client"),
        (("searches", "--interval", "0.01"), ExitCode.USAGE, "must be 0.1 to 60 seconds"),
    ],
)
def test_impossible_stop_is_explained(
    admin: str, call: Run, arguments: tuple[str, ...], code: ExitCode, says: str
) -> None:
    """The command prints a sentence on stderr, and has an exit code."""
    ended = call(*arguments, "--server", admin)
    assert code == ended.returncode
    assert says in " ".join(ended.stderr.split())


@pytest.mark.parametrize("command", [("searches",), ("stop", "a")])
def test_public_address_serves_operators_by_role_alone(
    server: ServerProcess, call: Run, command: tuple[str, ...]
) -> None:
    """The sentence names the operators' address."""
    ended = call(*command, "--server", server.address)
    assert ExitCode.DENIED == ended.returncode
    assert "--admin-listen" in ended.stderr


def test_operator_by_a_token(
    run_server: RunServer, start: Start, call: Run, tmp_path: Path
) -> None:
    """A client with the operator's role lists and stops searches at the public address."""
    token = tmp_path / "token"
    token.write_text("a-token-of-an-operator\n")
    token.chmod(0o600)
    digest = hashlib.sha256(b"a-token-of-an-operator").hexdigest()
    (tmp_path / "tokens").write_text(f"root {digest}\n")
    policy = '[anonymous]\nallowed = true\n[identities."token:root"]\nrole = "operator"\n'
    (tmp_path / "policy.toml").write_text(policy)
    files = ("--tokens", f"{tmp_path}/tokens", "--policy", f"{tmp_path}/policy.toml")
    with run_server("--workers", "1", *files) as server:
        process = start("find", HOPELESS, "--server", server.address)
        server.wait_for_searches(1)
        connection = ("--server", server.address, "--token-file", str(token))
        [line] = call("searches", *connection).stdout.splitlines()
        assert 0 == call("stop", line.partition("\t")[0], *connection).returncode
        process.communicate(timeout=30)
        assert ExitCode.STOPPED == process.returncode


def test_server_that_is_not_there(call: Run, tmp_path: Path) -> None:
    """It is exit code 5, like any unavailable server."""
    ended = call("searches", "--server", f"unix:{tmp_path}/none")
    assert ExitCode.UNAVAILABLE == ended.returncode
    assert ended.stderr.startswith("Cannot connect to unix:")


def test_table_refreshes_on_a_terminal_until_ctrl_c(
    server: ServerProcess, admin: str, start: Start
) -> None:
    """It shows a new search; on exit the terminal is restored, and the exit code is 130."""
    controller, terminal = pty.openpty()
    process = start(
        *("searches", "--interval", "0.1", "--server", admin),
        stdout=terminal,
        variables={"COLUMNS": "160"},
    )
    os.close(terminal)
    shown = _read_until(controller, b"CLIENT")
    with server.stub() as stub:
        search = stub.Find.future(HashNameRequest(desired_name=HOPELESS), timeout=50)
        shown += _read_until(controller, HOPELESS.encode())
        search.cancel()
    process.send_signal(signal.SIGINT)
    shown += _read_until(controller, b"\x1b[?1049l")  # leaves the alternate screen
    assert ExitCode.INTERRUPTED == process.wait(30)
    os.close(controller)
    server.wait_until_idle()


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_while_the_table_appears(admin: str, start: Start, presses: int) -> None:
    """The terminal is restored as well, and a Ctrl-C that comes twice is one."""
    controller, terminal = pty.openpty()
    process = start(
        *("searches", "--server", admin), stdout=terminal, before=PRESS.format(presses=presses)
    )
    os.close(terminal)
    _read_until(controller, b"\x1b[?1049l")
    assert ExitCode.INTERRUPTED == process.wait(30)
    os.close(controller)


PRESS = """
import os, signal
from rich.console import Console
set_alt_screen = Console.set_alt_screen
def press(console, enable=True):
    set_alt_screen(console, enable)
    if enable:
        for _ in range({presses}):
            os.kill(os.getpid(), signal.SIGINT)
    return True
Console.set_alt_screen = press
"""


def _read_until(descriptor: int, text: bytes) -> bytes:
    deadline = time.monotonic() + 30
    seen = b""
    while text not in seen:
        assert time.monotonic() < deadline, seen
        seen += os.read(descriptor, 65536)
    return seen
