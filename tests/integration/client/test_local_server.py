"""`LocalServer`: a server for a `with` block; it ends with the block or the program."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hashfinder_client import Finder, LocalServer, LocalServerError, Query, local_server
from tests.integration.private_servers import PrivateServers, private_servers

EASY = Query("doctor", ideal_distance=3)


@pytest.fixture(autouse=True)
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateServers]:
    """The private servers of the test; none may be left at its end."""
    with private_servers() as servers:
        monkeypatch.setenv("TMPDIR", str(servers.folder))
        yield servers


def test_server_runs_during_the_block(servers: PrivateServers) -> None:
    """Two of them are independent; afterwards no process, socket or folder is left."""
    with LocalServer() as one, LocalServer() as other:
        assert one.target != other.target
        assert 2 == len(servers.running())
        assert {0o700} == {each.stat().st_mode & 0o777 for each in servers.folder.iterdir()}
        for server in (one, other):
            with Finder(server.target) as finder:
                assert finder.find(EASY).distance <= EASY.ideal_distance
    assert servers.are_gone()


def test_error_in_the_block_ends_the_server(servers: PrivateServers) -> None:
    """Even if a search runs whose end nothing waits for."""
    searching = None

    def fail() -> None:
        nonlocal searching
        with LocalServer() as server, Finder(server.target) as finder:
            searching = threading.Thread(target=_search, args=[finder])
            searching.start()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert searching is not None
    searching.join()
    assert servers.are_gone()


def _search(finder: Finder) -> None:
    with pytest.raises(Exception, match=r"closed|UNAVAILABLE|shutting"):
        finder.find("doctordoctordoctordoctor")


def test_settings_of_other_servers_are_not_its_own(
    servers: PrivateServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package in the current folder does not replace the server either.

    The folder for temporary files may have a name that needs escaping in a URI.
    """
    monkeypatch.setenv("HASHFINDER_PORT", "1")
    monkeypatch.setenv("HASHFINDER_WORKERS", "none")
    monkeypatch.setenv("HASHFINDER_LISTEN", "unix:/nonexistent/socket")
    monkeypatch.setenv("HASHFINDER_MAXIMUM_HASHES", "1")
    decoy = servers.folder / "a decoy"
    decoy.mkdir()
    for package in ("hashfinder", "grpc"):
        (decoy / f"{package}.py").write_text("raise SystemExit('decoy')")
    monkeypatch.chdir(decoy)
    monkeypatch.setenv("TMPDIR", str(decoy))
    with LocalServer() as server, Finder(server.target) as finder:
        assert "a%20decoy" in server.target
        assert finder.find(EASY).distance <= EASY.ideal_distance
    shutil.rmtree(decoy)


@pytest.mark.parametrize("moment", ["starting", "searching"])
def test_server_goes_when_its_program_is_killed(servers: PrivateServers, moment: str) -> None:
    """No program can clean up after SIGKILL."""
    code = f"""
import sys
from hashfinder_client import Finder, LocalServer
server = LocalServer()
server.start()
print("now", flush=True)
if {moment!r} == "searching":
    Finder(server.target).find("doctordoctordoctordoctor")
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert "now\n" == program.stdout.readline()
        if moment == "searching":
            servers.wait_for_socket()
        program.kill()
    servers.wait_until_gone()


def test_files_of_a_killed_server_are_removed(servers: PrivateServers) -> None:
    """The next search fails, and the block's end removes them."""
    with LocalServer():
        os.kill(servers.wait_for_one(), signal.SIGKILL)
    assert servers.are_gone()


def fake(monkeypatch: pytest.MonkeyPatch, script: str, folder: Path) -> None:
    """Replace the server by a script."""
    program = folder / "hashfinder-server"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(local_server, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_server_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has the last lines of its log, or its reason alone if the log has one."""
    script = """for n in 1 2 3 4 5 6; do echo "line $n" >&2; done
echo '{"event": "failed", "reason": "no luck", "level": "error"}' >&2; exit 1"""
    fake(monkeypatch, script, tmp_path)
    with pytest.raises(LocalServerError) as failed, LocalServer():
        pass
    shown = ["line 3", "line 4", "line 5", "line 6", "failed: no luck"]
    expected = "".join(f"\n  {line}" for line in shown)
    assert f"hashfinder-server did not start:{expected}" == str(failed.value)


def test_silent_server_has_a_limited_time_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed if it does not end by itself."""
    monkeypatch.setattr(local_server, "_STOP_SECONDS", 0.1)
    fake(monkeypatch, "exec sleep 3600", tmp_path)
    with pytest.raises(LocalServerError) as failed, LocalServer(timeout=0.1):
        pass
    assert "hashfinder-server did not start within 0.1 s: it says nothing" == str(failed.value)


def test_program_that_cannot_be_run_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has the system's reason."""
    fake(monkeypatch, "", tmp_path)
    (tmp_path / "hashfinder-server").write_text("#!/nonexistent/shell\n")
    with pytest.raises(LocalServerError, match="hashfinder-server cannot be started: No such file"):
        LocalServer().start()


def test_missing_server_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setattr(local_server, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert not LocalServer.is_installed()
    expected = "there is no hashfinder-server here: install it with pip install hashfinder"
    with pytest.raises(LocalServerError) as missing, LocalServer():
        pass
    assert expected == str(missing.value)


def test_server_can_be_closed_repeatedly(servers: PrivateServers) -> None:
    """It can be closed twice, and before it is started."""
    server = LocalServer()
    server.close()
    server.start()
    with pytest.raises(LocalServerError, match="started before"):
        server.start()
    server.close()
    server.close()
    assert servers.are_gone()


def test_folder_for_temporary_files_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unusable one is ignored."""
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    with LocalServer() as server, Finder(server.target) as finder:
        assert finder.find(EASY).distance <= EASY.ideal_distance
    assert not Path(server.target.removeprefix("unix:")).parent.exists()


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_timeout_is_a_number_of_seconds(timeout: float) -> None:
    """Other values are refused."""
    with pytest.raises(ValueError, match="timeout must be 0 or more"):
        LocalServer(timeout=timeout)
