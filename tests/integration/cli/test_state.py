"""`--state FILE` with a real server: a search that survives its processes."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.git_repository import git, isolate
from tests.integration.scripted import Run, Start
from tests.integration.server_process import PACED_KERNEL, RunServer, ServerProcess, eventually

NO_SERVER = "127.0.0.1:9"
"""The discard port: anything that needs a server there fails."""
ENDLESS = ("find", "doctorwhos", "--progress-interval", "0.05")


@pytest.fixture(scope="module")
def slow_server(run_server: RunServer) -> Iterator[ServerProcess]:
    """A server for searches that are not to end by themselves."""
    with run_server("--workers", "1", "--kernel", "python", before=PACED_KERNEL) as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file that does not exist yet."""
    return tmp_path / "search.state"


def progress(path: Path) -> dict[str, Any]:
    """Return the progress in the file; empty before the first save."""
    text = path.read_text() if path.exists() else ""
    return json.loads(text)["progress"] if text else {}


def reached(path: Path) -> int:
    """Return the position that the first unfinished range has reached, according to the file."""
    ranges = progress(path).get("checkpoint", {}).get("ranges", [])
    return ranges[0]["reached"] if ranges else 0


def positions(lines: str) -> list[int]:
    """Return the positions of tab-separated results."""
    return [int(line.split("\t")[1]) for line in lines.splitlines()]


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process with SIGKILL."""
    process.send_signal(signal.SIGKILL)
    process.wait(10)


@pytest.mark.parametrize("flags", [(), ("--shards", "2", "--range-size", "3000000")])
def test_killed_search_resumes_from_its_file(
    start: Start, slow_server: ServerProcess, path: Path, flags: tuple[str, ...]
) -> None:
    """Saved progress is not searched again: hashes and position continue from it."""
    where = (*flags, "--server", slow_server.address, "--state", str(path))
    process = start(*ENDLESS, *where)
    eventually(lambda: reached(path) > 0, "the position is kept", 30)
    kill(process)
    kept = reached(path)

    process = start(*ENDLESS, *where, "--json")
    assert process.stdout
    first = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)

    assert 130 == process.returncode
    assert f"Resuming from position {kept}." in stderr
    assert f"run the same command again: {path}" in stderr
    assert "progress" == first["type"]
    assert first["next_position"] >= kept
    assert first["hashes_computed"] >= kept
    assert reached(path) >= kept


def test_no_match_is_lost_or_repeated(
    start: Start, call: Run, module_server: ServerProcess, path: Path
) -> None:
    """A search for many matches that is killed on its way finds all of them, in order."""
    asked = ("find", "doct", "--count", "150", "--server", module_server.address)
    process = start(*asked, "--state", str(path))
    eventually(lambda: len(progress(path).get("found", [])) > 10, "ten matches are kept", 30)
    kill(process)
    assert len(progress(path)["found"]) < 150, "it was killed in time"

    done = call(*asked, "--state", str(path))
    whole = call(*asked)

    assert (0, 0) == (done.returncode, whole.returncode)
    assert positions(whole.stdout) == positions(done.stdout)
    again = call(*asked[:-1], NO_SERVER, "--state", str(path))
    assert (0, done.stdout) == (again.returncode, again.stdout)
    assert "has already ended" in again.stderr


def test_results_on_the_way_come_once(call: Run, module_server: ServerProcess, path: Path) -> None:
    """With --show-inferior, each process prints the results that it finds itself."""
    asked = ("find", "doctor", "--show-inferior", "2", "--server", module_server.address)
    seen: list[int] = []
    for budget in ("0.1", "0.1", "0.1", "0.1", "50"):
        limits = ("--timeout", budget, "--progress-interval", "0.05")
        done = call(*asked, "--state", str(path), *limits)
        seen += positions(done.stdout)
        if done.returncode == 0:
            break
    assert positions(call(*asked).stdout) == seen


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signal_keeps_all_that_was_searched(
    start: Start, slow_server: ServerProcess, path: Path, signum: signal.Signals
) -> None:
    """The position printed at the end is the one in the file."""
    where = ("--server", slow_server.address, "--state", str(path), "--json")
    process = start(*ENDLESS, *where)
    assert process.stdout
    while not json.loads(process.stdout.readline())["next_position"]:
        pass  # A report may come before the first chunk.
    process.send_signal(signum)
    stdout, stderr = process.communicate(timeout=30)

    end = json.loads(stdout.splitlines()[-1])
    assert (128 + signum, "end") == (process.returncode, end["type"])
    assert end["next_position"] == reached(path) > 0
    assert str(path) in stderr


def test_second_process_is_refused(
    start: Start, call: Run, slow_server: ServerProcess, path: Path
) -> None:
    """The second process changes nothing, and runs once the first has ended."""
    where = ("--server", slow_server.address, "--state", str(path))
    process = start(*ENDLESS, *where)
    eventually(lambda: bool(progress(path)), "the first has the file", 30)
    done = call(*ENDLESS, *where)
    assert (2, "") == (done.returncode, done.stdout)
    assert "--state: another process uses" in done.stderr
    kill(process)
    assert 4 == call(*ENDLESS, *where, "--timeout", "0.2").returncode


def test_spent_budget_stays_spent(call: Run, module_server: ServerProcess, path: Path) -> None:
    """The same command has nothing left to search."""
    asked = ("find", "doctorwhos", "--maximum-hashes", "1000", "--state", str(path))
    done = call(*asked, "--server", module_server.address)
    assert 3 == done.returncode
    assert "after 1,000 hashes" in done.stderr
    assert "--start-position 1000" in done.stderr
    again = call(*asked, "--server", module_server.address)
    assert (3, done.stderr) == (again.returncode, again.stderr.split("\n", 1)[1])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a list of mine\n", "not a state that hashfinder wrote"),
        (b'{"hashfinder_state": 99}', "version 99"),
    ],
)
def test_foreign_file_is_refused(call: Run, path: Path, content: bytes, reason: str) -> None:
    """Nothing is searched, and the file is not overwritten."""
    path.write_bytes(content)
    done = call("find", "doctor", "--state", str(path), "--server", NO_SERVER)
    assert (2, "") == (done.returncode, done.stdout)
    assert reason in done.stderr
    assert content == path.read_bytes()


def test_missing_folder_is_an_error(call: Run) -> None:
    """It is reported before anything is searched."""
    done = call("find", "doctor", "--state", "/nowhere/at/all", "--server", NO_SERVER)
    assert (2, "") == (done.returncode, done.stdout)
    assert "--state: cannot use '/nowhere/at/all'" in done.stderr


def test_jobs_have_a_state_as_well(
    call: Run, module_server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A match in the file is final: the second command needs no server."""
    isolate(monkeypatch)
    repository = tmp_path / "repository"
    git(tmp_path, "init", "--quiet", str(repository))
    git(repository, "commit", "--quiet", "--allow-empty", "--message=x")
    event = tmp_path / "event.json"
    fields = {"pubkey": "a" * 64, "created_at": 1, "kind": 1, "tags": [], "content": "x"}
    event.write_text(json.dumps(fields))
    jobs = (
        ("git-vanity", "c0f", "--repo", str(repository)),
        ("pow", "bits", "--bits", "12"),
        ("pow", "nostr", str(event), "--bits", "12"),
    )
    for number, job in enumerate(jobs):
        kept = ("--state", str(tmp_path / str(number)))
        first = call(*job, *kept, "--server", module_server.address)
        again = call(*job, *kept, "--server", NO_SERVER)
        assert (0, 0, first.stdout) == (first.returncode, again.returncode, again.stdout)
    applied = call(*jobs[0], "--state", str(tmp_path / "0"), "--apply", "--server", NO_SERVER)
    assert 0 == applied.returncode
    assert "new    c0f" in applied.stdout


def test_stamp_is_continued(
    start: Start, call: Run, slow_server: ServerProcess, path: Path
) -> None:
    """A killed search for a stamp continues with its random part and its date."""
    asked = ("pow", "hashcash", "me@example.org", "--server", slow_server.address)
    kept = ("--state", str(path))
    process = start(*asked, *kept, "--bits", "150", "--date", "260101")
    eventually(lambda: reached(path) > 0, "the position is kept", 30)
    kill(process)
    before = path.read_bytes()
    stamp, position = json.loads(before)["search"]["stamp"], reached(path)

    for other in (("--bits", "20"), ("--bits", "150", "--date", "260102")):
        refused = call(*asked, *kept, *other)
        assert (2, "") == (refused.returncode, refused.stdout)
        assert "another search, which differs in the stamp (1:150:26" in plain(refused.stderr)
        assert before == path.read_bytes()

    process = start(*asked, *kept, "--bits", "150")
    eventually(lambda: reached(path) > position, "it continues", 30)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert f"Resuming from position {position}." in stderr
    assert f"run the same command again: {path}" in stderr
    assert stamp == json.loads(path.read_text())["search"]["stamp"]
    assert stamp.startswith("1:150:260101:me@example.org::")


def test_stamp_in_the_file_is_final(call: Run, module_server: ServerProcess, path: Path) -> None:
    """The same command prints it again, without a server; without a file each stamp is new."""
    asked = ("pow", "hashcash", "me@example.org", "--bits", "8")
    first = call(*asked, "--state", str(path), "--server", module_server.address)
    again = call(*asked, "--state", str(path), "--server", NO_SERVER)
    assert (0, 0, first.stdout) == (first.returncode, again.returncode, again.stdout)
    assert first.stdout != call(*asked, "--server", module_server.address).stdout


def plain(text: str) -> str:
    """Return an error message without its frame."""
    return re.sub(r"[\s│]+", " ", text)
