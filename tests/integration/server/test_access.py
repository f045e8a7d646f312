"""Tokens and policy: real files that change under a running server."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from hashfinder_proto.hash_name_admin_pb2 import ListSearchesRequest, StopSearchRequest
from hashfinder_proto.hash_name_admin_pb2_grpc import HashFinderAdminStub
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.program import Program
from tests.integration.samples import scrape
from tests.integration.server.endings import Ending, ending_of
from tests.integration.server_process import (
    IDLE_KERNEL,
    SERVICE,
    ServerProcess,
    eventually,
    run_server,
    server_environment,
    server_flags,
)

FILES = Path(__file__).parent / "access"
SHORT = HashNameRequest(desired_name="ab")
HOPELESS = HashNameRequest(desired_name="hopelessly")

Metadata = tuple[tuple[str, str], ...]


def bearer(name: str) -> Metadata:
    """Return the metadata with the token of `name` in the tests' files."""
    return (("authorization", f"Bearer test-token-of-{name}"),)


def line(name: str, token: str) -> str:
    """Return a line of the token file."""
    return f"{name} {hashlib.sha256(token.encode()).hexdigest()}\n"


class Server:
    """A server with a token file and a policy file that a test may change."""

    def __init__(self, process: ServerProcess, folder: Path) -> None:
        """Store the process, and the folder of its files."""
        self.process = process
        self.tokens = folder / "tokens"
        self.policy = folder / "policy.toml"

    def reloads(self, file: str, result: str) -> float:
        """Return how many changes of a file were loaded (``success``) or refused (``failure``)."""
        return self.process.metric("hashfinder_access_reloads_total", file=file, result=result)

    def change(self, path: Path, text: str, result: str = "success") -> None:
        """Replace a file, and wait until the server has loaded or refused it."""
        name = path.name.removesuffix(".toml")
        before = self.reloads(name, result)
        new = path.with_suffix(".new")
        new.write_text(text)
        new.replace(path)
        eventually(lambda: self.reloads(name, result) == before + 1, f"{name}: {result}", 20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server with copies of the tests' files."""
    folder = tmp_path_factory.mktemp("access")
    for name in ("tokens", "policy.toml"):
        shutil.copy(FILES / name, folder / name)
    flags = ("--tokens", str(folder / "tokens"), "--policy", str(folder / "policy.toml"))
    with run_server(*flags, "--kernel", "python", before=IDLE_KERNEL) as process:
        yield Server(process, folder)


@pytest.fixture
def stub(server: Server) -> Iterator[HashFinderStub]:
    """A stub of the server; the files are restored afterwards."""
    with server.process.stub() as stub:
        yield stub
    for path in (server.tokens, server.policy):
        if path.read_bytes() != (FILES / path.name).read_bytes():
            server.change(path, (FILES / path.name).read_text())
    server.process.wait_until_idle()


def ended(stub: HashFinderStub, metadata: Metadata, request: HashNameRequest = SHORT) -> Ending:
    """Return how an RPC with this metadata ends."""
    try:
        stub.Find(request, metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        return ending_of(error)
    return Ending(grpc.StatusCode.OK, "")


def test_new_token_is_known_and_a_removed_one_is_not(server: Server, stub: HashFinderStub) -> None:
    """A changed token file takes effect within about a second, without a restart."""
    late = (("authorization", "Bearer a-token-of-later"),)
    assert "TOKEN_UNKNOWN" == ended(stub, late).reason
    server.change(server.tokens, line("late", "a-token-of-later"))
    assert grpc.StatusCode.OK is ended(stub, late).code
    assert "TOKEN_UNKNOWN" == ended(stub, bearer("alice")).reason


def test_invalid_file_keeps_the_last_valid_one(server: Server, stub: HashFinderStub) -> None:
    """The log names the invalid line, and a metric counts the failure."""
    server.process.faults_expected = True
    server.change(server.tokens, "alice is not a hash\n", "failure")
    server.change(server.policy, "[anonymous]\nallowed = 7\n", "failure")
    assert grpc.StatusCode.OK is ended(stub, bearer("alice")).code
    reasons = [each["reason"] for each in server.process.logs() if "not reloaded" in each["event"]]
    assert reasons[-2].startswith(f"{server.tokens}: line 1: must be NAME SHA256")
    assert f"{server.policy}: line 2: anonymous.allowed must be true or false" == reasons[-1]
    assert all("is not a hash" not in reason for reason in reasons)


def test_changed_policy_applies_to_the_next_search(server: Server, stub: HashFinderStub) -> None:
    """New limits and permissions apply to new searches; a running search continues."""
    running = stub.Find.future(HOPELESS, metadata=bearer("alice"))
    server.process.wait_for_searches(1)
    server.change(
        server.policy,
        'anonymous.allowed = true\n[identities]\n"token:alice" = {searches = 1}\n'
        '"token:bob" = {allowed = false}\n',
    )
    assert "TOO_MANY_SEARCHES" == ended(stub, bearer("alice")).reason
    assert "NOT_ALLOWED" == ended(stub, bearer("bob")).reason
    assert grpc.StatusCode.OK is ended(stub, ()).code
    assert not running.done()
    running.cancel()


def test_changed_rate_applies_to_a_running_search(server: Server, stub: HashFinderStub) -> None:
    """A running search is charged at the new rate."""
    running = stub.Find.future(HOPELESS, metadata=bearer("alice"))
    server.process.wait_for_searches(1)
    server.change(
        server.policy, '[identities]\n"token:alice" = {hash_rate = 10, hash_burst = 10}\n'
    )
    with pytest.raises(grpc.RpcError) as caught:
        running.result(timeout=20)
    ending = ending_of(caught.value)
    assert "CLIENT_QUOTA_EXHAUSTED" == ending.reason
    assert 10 == ending.details["QuotaFailure"].violations[0].quota_value
    assert ending.progress.hashes_computed > 0


def test_health_and_metrics_need_no_token(server: Server, stub: HashFinderStub) -> None:
    """Health checks and scrapes are not authenticated; everything else is refused."""
    with server.process.channel() as channel:
        health: Any = HealthStub(channel)
        assert 1 == health.Check(HealthCheckRequest(service=SERVICE)).status
    assert "TOKEN_MISSING" == ended(stub, ()).reason


def test_tokens_do_not_leak(server: Server, stub: HashFinderStub) -> None:
    """Tokens are in no log, metric, command line or environment, and there is no core file."""
    ended(stub, bearer("alice"))
    ended(stub, (("authorization", "Bearer test-token-of-nobody"),))
    process = server.process
    proc = Path("/proc") / str(process.process.pid)
    seen = json.dumps(process.logs()) + str(scrape(process.metrics_url))
    seen += (proc / "cmdline").read_text()
    with suppress(PermissionError):  # any other user gets this, since the process is not dumpable
        seen += (proc / "environ").read_text()
    assert "test-token-of" not in seen
    assert "token:alice" in seen
    limits = (proc / "limits").read_text()
    assert ["Max", "core", "file", "size", "0", "0", "bytes"] in map(str.split, limits.splitlines())


@pytest.mark.parametrize(
    ("flag", "text", "problem"),
    [
        ("--tokens", "alice\n", "line 1: must be NAME SHA256"),
        ("--policy", "[groups.a]\n", "line 1: groups.a has no 'members'"),
        ("--policy", None, "cannot be read: No such file or directory"),
    ],
)
def test_server_does_not_start_with_an_invalid_file(
    server_program: Program, tmp_path: Path, flag: str, text: str | None, problem: str
) -> None:
    """It exits 2, as for every invalid setting, and names the file and the line."""
    path = tmp_path / "file"
    if text is not None:
        path.write_text(text)
    ended = server_program.run(server_flags(flag, str(path)), server_environment())
    assert 2 == ended.returncode
    [failed] = [json.loads(each) for each in ended.stderr.splitlines()]
    assert failed["reason"].startswith(f"{path}: {problem}")


def test_new_token_command_makes_a_valid_token(
    server_program: Program, server: Server, stub: HashFinderStub, tmp_path: Path
) -> None:
    """The token is only in its file, and not in the command's output."""
    path = tmp_path / "carol.token"
    arguments = ["new-token", "carol", str(path)]
    made = server_program.run(arguments, os.environ)
    assert 0 == made.returncode
    token = path.read_text().strip()
    assert token not in made.stdout + made.stderr
    server.change(server.tokens, made.stdout)
    assert grpc.StatusCode.OK is ended(stub, (("authorization", f"Bearer {token}"),)).code

    again = server_program.run(arguments, os.environ)
    assert (2, "") == (again.returncode, again.stdout)
    assert f"hashfinder-server: cannot write {path}: File exists\n" == again.stderr
    unknown = server_program.run(arguments[:-1], os.environ)
    assert (2, "") == (unknown.returncode, unknown.stdout)
    assert unknown.stderr.startswith("usage: hashfinder-server new-token NAME FILE\n")


def test_operators_see_and_stop_the_searches_of_others(
    server: Server, stub: HashFinderStub
) -> None:
    """An operator's role suffices at the public address; other clients are refused."""
    running = stub.Find.future(HOPELESS, metadata=bearer("one"))
    server.process.wait_for_searches(1)
    with server.process.channel() as channel:
        admin = HashFinderAdminStub(channel)
        [search] = admin.ListSearches(
            ListSearchesRequest(), metadata=bearer("alice"), timeout=20
        ).searches
        assert "token:one" == search.client
        request = StopSearchRequest(search_id=search.search_id)
        with pytest.raises(grpc.RpcError) as refused:
            admin.StopSearch(request, metadata=bearer("one"), timeout=20)
        assert "NOT_ALLOWED" == ending_of(refused.value).reason
        admin.StopSearch(request, metadata=bearer("alice"), timeout=20)
    with pytest.raises(grpc.RpcError) as stopped:
        running.result(timeout=20)
    assert "STOPPED_BY_OPERATOR" == ending_of(stopped.value).reason
    event = "searches stopped by operator"
    eventually(lambda: bool(server.process.logs(event)), "it is logged")
    [line] = server.process.logs(event)
    assert "token:alice" == line["operator"]
