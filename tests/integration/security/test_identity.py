"""Clients identified by real certificates and tokens: server counts and client output."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from deploy.certs import Authority, Pair
from hashfinder_cli.exit_codes import ExitCode
from hashfinder_client import AccessDeniedError, AsyncFinder, Finder, Tls
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.scripted import Run
from tests.integration.security.conftest import TlsFolder, credentials
from tests.integration.server.endings import Ending, ending_of
from tests.integration.server_process import ServerProcess, eventually, run_server

TOKEN = "a-token-of-the-tests-for-alice"
POLICY = """
[groups.lab]
members = ["spiffe://example.org/lab/*", "cn:searcher", "token:alice"]
[identities."dns:banned.example"]
allowed = false
[unlisted]
allowed = false
"""
SPIFFE = "spiffe://example.org/lab/one"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a policy, a token, and the token's hash."""
    folder = tmp_path_factory.mktemp("identity")
    (folder / "policy.toml").write_text(POLICY)
    (folder / "tokens").write_text(f"alice {hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
    (folder / "alice.token").write_text(f"{TOKEN}\n")
    (folder / "alice.token").chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def flags(files: Path) -> tuple[str, ...]:
    """The server's flags for these files."""
    return ("--tokens", str(files / "tokens"), "--policy", str(files / "policy.toml"))


@pytest.fixture(scope="module")
def mutual(shared_folder: TlsFolder, flags: tuple[str, ...]) -> Iterator[ServerProcess]:
    """A server that identifies clients by certificates and by tokens."""
    with run_server("--workers", "1", *shared_folder.mutual, *flags) as server:
        yield server


@pytest.fixture(scope="module")
def plain(flags: tuple[str, ...]) -> Iterator[ServerProcess]:
    """A server on loopback that identifies clients by tokens."""
    with run_server("--workers", "1", *flags) as server:
        yield server


def ended(
    server: ServerProcess, ca: bytes, own: Pair, *metadata: tuple[str, str]
) -> tuple[Ending, str]:
    """Return how an RPC with a certificate ends, and the client that it counts for."""
    before = len(server.logs("rpc ended"))
    ending = _ended(server, ca, own, *metadata)
    return ending, lines(server, before, 1)[0]["client"]


def lines(server: ServerProcess, before: int, number: int) -> list[dict[str, Any]]:
    """Return the log lines of the next `number` RPCs after the first `before` lines."""
    eventually(lambda: len(server.logs("rpc ended")) >= before + number, "the RPC is logged")
    return server.logs("rpc ended")[before:]


def _ended(server: ServerProcess, ca: bytes, own: Pair, *metadata: tuple[str, str]) -> Ending:
    with grpc.secure_channel(server.address, credentials(ca, own)) as channel:
        try:
            HashFinderStub(channel).Find(
                HashNameRequest(desired_name="ab"), metadata=metadata, timeout=20
            )
        except grpc.RpcError as error:
            return ending_of(error)
    return Ending(grpc.StatusCode.OK, "")


@pytest.mark.parametrize(
    ("name", "hosts", "uris", "client"),
    [
        ("searcher", ["a.example"], [SPIFFE], SPIFFE),
        ("searcher", [], ["https://example.org/"], "cn:searcher"),
        ("searcher", [], [], "cn:searcher"),
    ],
)
def test_certificate_names_the_client(
    mutual: ServerProcess,
    authority: Authority,
    name: str,
    hosts: list[str],
    uris: list[str],
    client: str,
) -> None:
    """Its SPIFFE ID comes first, then a DNS name, then the common name."""
    pair = authority.client(name, hosts=hosts, uris=uris)
    ending, counted = ended(mutual, authority.pem, pair)
    assert (grpc.StatusCode.OK, client) == (ending.code, counted)


@pytest.mark.parametrize(
    ("hosts", "uris", "reason"),
    [
        ([], [SPIFFE, "spiffe://example.org/lab/two"], "CERTIFICATE_UNKNOWN"),
        ([], ["spiffe://example.org/other"], "CERTIFICATE_UNKNOWN"),
        (["unlisted.example"], [], "CERTIFICATE_UNKNOWN"),
        (["banned.example"], [], "NOT_ALLOWED"),
    ],
)
def test_certificate_is_refused_by_the_policy(
    mutual: ServerProcess, authority: Authority, hosts: list[str], uris: list[str], reason: str
) -> None:
    """The handshake succeeds, but the RPC is refused; a valid token overrides the certificate."""
    pair = authority.client("searcher", hosts=hosts, uris=uris)
    assert reason == ended(mutual, authority.pem, pair)[0].reason
    token = ("authorization", f"Bearer {TOKEN}")
    ending, counted = ended(mutual, authority.pem, pair, token)
    assert (grpc.StatusCode.OK, "token:alice") == (ending.code, counted)


async def test_library_sends_the_token_over_tls_and_on_loopback(
    mutual: ServerProcess,
    plain: ServerProcess,
    shared_folder: TlsFolder,
    authority: Authority,
    files: Path,
    tmp_path: Path,
) -> None:
    """In both finders every RPC of a search counts for the token."""
    certificate, key = authority.client("searcher").write(tmp_path, "client")
    tls = Tls(ca=shared_folder.ca, certificate=certificate, key=key)
    token = files / "alice.token"
    for server, security in ((mutual, tls), (plain, None)):
        before = len(server.logs("rpc ended"))
        with Finder(server.address, tls=security, token_file=token) as finder:
            assert 0 == finder.find("ab").distance
            assert finder.estimate("ab").chance > 0
        async with AsyncFinder(server.address, tls=security, token_file=token) as finder:
            assert 0 == (await finder.find("ab", shards=2)).distance
            assert (await finder.estimate("ab")).chance > 0
        assert {"token:alice"} == {line["client"] for line in lines(server, before, 4)}


def test_library_does_not_retry_without_a_token(plain: ServerProcess) -> None:
    """A refusal is final, whatever the retry policy: there is one RPC."""
    before = len(plain.logs("rpc ended"))
    with (
        Finder(plain.address) as finder,
        pytest.raises(AccessDeniedError) as caught,
    ):
        finder.find("ab")
    assert "TOKEN_MISSING" == caught.value.details.reason
    assert ["TOKEN_MISSING"] == [line["reason"] for line in lines(plain, before, 1)]


def test_command_line_explains_refusals(plain: ServerProcess, files: Path, call: Run) -> None:
    """A refusal has its own exit code; tokens are only read from files."""
    find = ("find", "ab", "--server", plain.address)
    refused = call(*find)
    assert (ExitCode.DENIED, "") == (refused.returncode, refused.stdout)
    assert f"The server at {plain.address} requires authentication.\n" in refused.stderr
    assert "Add --token-file FILE" in refused.stderr

    token = str(files / "alice.token")
    for command in (find, ("estimate", "ab", "--server", plain.address)):
        found = call(*command, "--token-file", token)
        assert (ExitCode.FOUND, "") == (found.returncode, found.stderr)


def test_command_line_protects_tokens(plain: ServerProcess, tmp_path: Path, call: Run) -> None:
    """It warns about a file that others can read, and never sends a token in plain text."""
    path = tmp_path / "token"
    path.write_text("another-token-of-the-tests")
    path.chmod(0o644)
    unknown = call("find", "ab", "--server", plain.address, "--token-file", str(path))
    assert ExitCode.DENIED == unknown.returncode
    assert unknown.stderr.startswith(f"Warning: every user can read {path}: chmod 600 {path}\n")
    assert "does not know the token that was sent" in unknown.stderr
    assert "another-token" not in unknown.stderr

    far = call("find", "ab", "--server", "search.example:1", "--token-file", str(path))
    assert ExitCode.USAGE == far.returncode
    assert "--token-file" in far.stderr
    assert "over TLS, or to a server on this machine" in re.sub(r"[\s│]+", " ", far.stderr)
