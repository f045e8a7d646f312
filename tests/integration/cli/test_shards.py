"""One search over three servers behind one name, end to end, and over several processes."""

import json
import shlex
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hashfinder_client import BudgetSpentError, Finder, Match, Query
from tests.integration.replicas import StartReplicas
from tests.integration.scripted import Run, Start
from tests.integration.server_process import PACED_KERNEL, ServerProcess, eventually

ServeReal = Callable[..., ServerProcess]
SLOW = ("--kernel", "python", "--workers", "1")
"""With `PACED_KERNEL`: a search takes seconds."""
RARE = ("doctorwho", "--show-inferior", "5", "--json")
"""A search with a result every 500 hashes or so, and no ideal one."""
HASHES = 60_000
RANGE = 3_000


@pytest.fixture(scope="module")
def rare(module_server: ServerProcess) -> list[int]:
    """The positions of all results of `RARE` in the first `HASHES`, found by one server."""
    found = []
    query = Query("doctorwho", inferior_distance=5, maximum_hashes=HASHES)
    with (
        suppress(BudgetSpentError),
        Finder(module_server.address) as finder,
        finder.find_range(query) as events,
    ):
        for item in events:
            if isinstance(item, Match):
                found.append(item.position)  # noqa: PERF401 - the loop ends with an error
    return found


def sharded(target: str, hashes: int = HASHES) -> list[str]:
    """Return the arguments that search `RARE` over three ranges at once."""
    words = ["find", *RARE, "--server", target, "--maximum-hashes", hashes]
    words += ["--shards", 3, "--range-size", RANGE, "--progress-interval", "0.05"]
    return [str(word) for word in words]


def positions(lines: list[dict[str, Any]]) -> list[int]:
    """Return the positions of the results."""
    return [line["position"] for line in lines if line["type"] == "result"]


def parsed(stdout: str) -> list[dict[str, Any]]:
    """Return the objects on stdout."""
    return [json.loads(line) for line in stdout.splitlines()]


def hashed(servers: list[ServerProcess]) -> float:
    """Return how many hashes the servers have computed."""
    return sum(server.metric("hashfinder_hashes_total") for server in servers)


class Watched:
    """A process whose output can be read while it runs."""

    def __init__(self, start: Start, folder: Path, arguments: list[str]) -> None:
        """Start it."""
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        with self._stdout.open("w") as stdout, self._stderr.open("w") as stderr:
            self.process = start(*arguments, stdout=stdout, stderr=stderr)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The objects that it has written so far."""
        text = self._stdout.read_text()
        return parsed(text[: text.rfind("\n") + 1])

    @property
    def stderr(self) -> str:
        """Its stderr so far."""
        return self._stderr.read_text()

    def wait_for_results(self, count: int) -> None:
        """Return when it has written this many results."""
        eventually(lambda: len(positions(self.lines)) >= count, f"{count} results", 40)


def test_same_result_as_of_one_server(
    call: Run, module_server: ServerProcess, replicas: StartReplicas
) -> None:
    """Results and their order are those of a single server, up to the ideal one."""
    three = replicas()
    asked = ["find", "docto", "--show-inferior", "1", "--server"]
    whole = call(*asked, module_server.address)

    done = call(*asked, three.target, "--servers", "3", "--range-size", "50000")

    assert (0, whole.stdout, "") == (done.returncode, done.stdout, done.stderr)
    assert 1 < len(whole.stdout.splitlines())

    asked = ["find", "doct", "--count", "5", "--server"]
    whole = call(*asked, module_server.address)
    small = call(*asked, three.target, "--shards", "3", "--range-size", "20000")
    # Each match is in the first of the three ranges, or in another.
    large = call(*asked, three.target, "--shards", "3", "--range-size", "1000000")
    assert (0, 5) == (whole.returncode, len(whole.stdout.splitlines()))
    for done in (small, large):
        assert (0, whole.stdout, "") == (done.returncode, done.stdout, done.stderr)


def test_interrupted_and_resumed(
    start: Start, call: Run, replicas: StartReplicas, rare: list[int], tmp_path: Path
) -> None:
    """Ctrl-C frees every server; the printed results are those below the printed position."""
    three = replicas(*SLOW, before=PACED_KERNEL)
    search = Watched(start, tmp_path, sharded(three.target))
    search.wait_for_results(20)
    search.process.send_signal(signal.SIGINT)

    assert 130 == search.process.wait(20)
    end = search.lines[-1]
    assert ("end", 130) == (end["type"], end["exit_code"])
    told = positions(search.lines)
    assert [each for each in rare if each < end["next_position"]] == told
    for server in three.servers.values():
        server.wait_until_idle()
    command = shlex.split(search.stderr.splitlines()[-1])
    assert {"--shards", "--range-size", "--maximum-hashes"} < set(command)
    resumed = call(*command[1:])
    assert 3 == resumed.returncode
    assert rare == told + positions(parsed(resumed.stdout))
    assert HASHES == parsed(resumed.stdout)[-1]["next_position"]


def test_server_killed(
    start: Start, replicas: StartReplicas, rare: list[int], tmp_path: Path
) -> None:
    """A server that dies delays only the ranges that it searched: they resume on other servers."""
    three = replicas(*SLOW, before=PACED_KERNEL)
    search = Watched(start, tmp_path, sharded(three.target))
    search.wait_for_results(10)
    killed = three.remove()
    survivors = list(three.servers.values())
    by_killed = hashed([killed])
    # It hangs first, so that it holds every range and no search ends before it dies.
    killed.send(signal.SIGSTOP)
    eventually(lambda: _hang(survivors), "all ranges in one hand", 30)
    killed.send(signal.SIGKILL)
    killed.wait()

    assert 3 == search.process.wait(50), search.stderr
    assert rare == positions(search.lines)
    assert HASHES == search.lines[-1]["next_position"]
    lost = search.stderr.count("Lost the connection to ")
    assert 1 <= lost <= 3
    assert hashed(survivors) <= HASHES
    assert hashed(survivors) + by_killed <= HASHES + lost * RANGE


def _hang(servers: list[ServerProcess]) -> bool:
    before = hashed(servers)
    time.sleep(1)
    return _active(servers) == 0 and before == hashed(servers)


def test_rolling_restart(
    start: Start, replicas: StartReplicas, rare: list[int], tmp_path: Path
) -> None:
    """A search survives all restarts; what a drained server has searched is not repeated."""
    three = replicas(*SLOW, before=PACED_KERNEL)
    search = Watched(start, tmp_path, sharded(three.target))
    search.wait_for_results(5)
    gone = 0.0
    for _ in range(2):
        three.add()
        gone += _drained(three.remove())

    assert 3 == search.process.wait(50), search.stderr
    assert rare == positions(search.lines)
    assert gone + hashed(list(three.servers.values())) <= HASHES


def _drained(server: ServerProcess) -> float:
    """Drain a server; return how many hashes it had computed just before."""
    computed = hashed([server])
    server.send(signal.SIGTERM)
    assert 0 == server.wait()
    return computed


def test_processes(
    start: Start, call: Run, replicas: StartReplicas, module_server: ServerProcess, tmp_path: Path
) -> None:
    """Processes share a search by number: one finds the match, and the others are told to stop.

    Each one's file says how it ended.
    """
    three = replicas(*SLOW, before=PACED_KERNEL)
    asked = ["find", "moon", "--server", three.target, "--range-size", "9000"]
    whole = call("find", "moon", "--server", module_server.address, "--json")
    position = parsed(whole.stdout)[0]["position"]
    assert 2 == position // 9_000
    files = [tmp_path / f"{index}" for index in range(3)]
    processes = [
        start(*asked, "--shard", f"{index}/3", "--result-file", str(file))
        for index, file in enumerate(files)
    ]
    assert 0 == processes[2].wait(40)
    for process in processes[:2]:
        process.send_signal(signal.SIGTERM)
    codes = [process.wait(20) for process in processes]

    assert set(codes[:2]) <= {0, 143}  # beyond the first match there may be others
    result, end = parsed(files[2].read_text())
    assert position == result["position"]
    assert ("end", 0) == (end["type"], end["exit_code"])
    for code, file in zip(codes[:2], files[:2], strict=True):
        if text := file.read_text():  # none if the signal came before the search began
            *_, end = parsed(text)
            assert code == end["exit_code"]
            assert code == 0 or end["next_position"] % (3 * 9_000) == 0
    for server in three.servers.values():
        server.wait_until_idle()


def test_terminated_process(start: Start, replicas: StartReplicas, tmp_path: Path) -> None:
    """SIGTERM cancels a process's RPC at once, and its file says where all of them resume."""
    three = replicas(*SLOW, before=PACED_KERNEL)
    file = tmp_path / "result"
    file.write_text("of an earlier search")
    asked = ["find", "doctorwho", "--server", three.target, "--shard", "1/2", "--json"]
    process = start(*asked, "--start-position", "7", "--result-file", str(file))
    servers = list(three.servers.values())
    eventually(lambda: _active(servers) == 1, "its search", 30)
    assert "" == file.read_text()

    process.send_signal(signal.SIGTERM)
    stdout, _ = process.communicate(timeout=20)

    assert 143 == process.returncode
    (end,) = parsed(stdout)
    assert end == json.loads(file.read_text())
    assert 7 == end["next_position"]
    eventually(lambda: _active(servers) == 0, "no search", 20)


def _active(servers: list[ServerProcess]) -> float:
    return sum(server.metric("hashfinder_searches_active") for server in servers)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_budget_of_processes(
    call: Run, module_server: ServerProcess, tmp_path: Path, index: int
) -> None:
    """The budget covers all processes: each ends after its share of it."""
    file = tmp_path / "result"
    asked = ["find", "doctorwho", "--server", module_server.address, "--start-position", "10"]
    asked += ["--range-size", "100000", "--maximum-hashes", "350000"]

    before = hashed([module_server])
    done = call(*asked, "--shard", f"{index}/3", "--result-file", str(file))

    assert 3 == done.returncode
    assert [150_000, 100_000, 100_000][index] == hashed([module_server]) - before
    end = json.loads(file.read_text())
    assert (3, "HASH_BUDGET_EXHAUSTED", 350_010) == (
        end["exit_code"],
        end["reason"],
        end["next_position"],
    )


def test_full_disk(call: Run, module_server: ServerProcess) -> None:
    """A result file that cannot be written is an error that names its flag."""
    asked = ["find", "docto", "--server", module_server.address]
    done = call(*asked, "--result-file", "/dev/full")

    assert 1 == done.returncode
    assert done.stderr == ("Cannot write the --result-file /dev/full: No space left on device.\n")


def test_reader_gone(start: Start, replicas: StartReplicas) -> None:
    """A closed stdout ends the search on every server."""
    three = replicas(*SLOW, before=PACED_KERNEL)
    process = start(*sharded(three.target))
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()

    assert 141 == process.wait(20)
    servers = list(three.servers.values())
    eventually(lambda: _active(servers) == 0, "no search", 20)


def test_more_shards_than_the_server_lets_a_client_have(
    call: Run, server_process: ServeReal, module_server: ServerProcess
) -> None:
    """The surplus shards wait: no range fails, and the result is the same."""
    strict = server_process("--maximum-searches-per-client", "2", *SLOW, before=PACED_KERNEL)
    asked = ["find", *RARE, "--maximum-hashes", "30000", "--server"]

    whole = call(*asked, module_server.address)
    done = call(*asked, strict.address, "--shards", "12", "--range-size", "2500", "--retry", "0")

    assert 3 == done.returncode
    assert positions(parsed(whole.stdout)) == positions(parsed(done.stdout))
    assert "limit of searches" not in done.stderr
