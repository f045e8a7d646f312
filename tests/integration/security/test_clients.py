"""Clients whose TLS settings do not fit the server: they print what to do, and do not retry."""

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from deploy.certs import Authority
from hashfinder_cli.commands import tour
from hashfinder_cli.exit_codes import ExitCode
from hashfinder_client import AsyncFinder, Finder, Pause, RetryPolicy, Tls, TlsError
from hashfinder_client.tls import TlsFault, fault_of
from tests.integration.gateway_process import run_gateway
from tests.integration.scripted import Run
from tests.integration.security.conftest import StartTls, TlsFolder
from tests.integration.server_process import ServerProcess

pytestmark = pytest.mark.security

COMMANDS = (
    ("find", "doc"),
    ("find", "doc", "--resume"),
    ("find", "c0", "--encoding", "hex"),
    ("estimate", "doc"),
    ("health",),
)


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> tuple[str, str]:
    """A client's certificate and key."""
    certificate, key = authority.client("me").write(tmp_path_factory.mktemp("own"), "client")
    return str(certificate), str(key)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_speak_tls(
    call: Run, tls_server: ServerProcess, shared_folder: TlsFolder, command: tuple[str, ...]
) -> None:
    """They use a private CA."""
    ended = call(*command, "--server", tls_server.address, "--ca", str(shared_folder.ca))
    assert (0, "") == (ended.returncode, ended.stderr)


def test_tour_uses_its_connection_for_each_search(
    call: Run,
    mutual_server: ServerProcess,
    shared_folder: TlsFolder,
    own: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Settings from environment variables are used as well."""
    monkeypatch.setattr(tour, "STOPS", tour.STOPS[:1])
    monkeypatch.setenv("HASHFINDER_SERVER", mutual_server.address)
    monkeypatch.setenv("HASHFINDER_CA", str(shared_folder.ca))
    ended = call("tour", "--certificate", own[0], "--key", own[1])
    assert (0, "") == (ended.returncode, ended.stderr), ended.stdout


def test_system_bundle_is_trusted(
    call: Run,
    tls_server: ServerProcess,
    shared_folder: TlsFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With --tls alone; SSL_CERT_FILE names another bundle, as for OpenSSL."""
    ended = call("health", "--server", tls_server.address, "--tls")
    assert ExitCode.UNAVAILABLE == ended.returncode
    assert "not from a CA that is trusted here" in ended.stderr
    monkeypatch.setenv("SSL_CERT_FILE", str(shared_folder.ca))
    assert 0 == call("health", "--server", tls_server.address, "--tls").returncode


def _other_ca(folder: Path) -> tuple[str, ...]:
    (folder / "other.pem").write_bytes(Authority().pem)
    return ("--ca", str(folder / "other.pem"))


@pytest.mark.parametrize("command", COMMANDS)
def test_untrusted_server(
    call: Run, tls_server: ServerProcess, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Another CA has signed its certificate: exit code 5, advice, and no retry."""
    ended = call(*command, "--server", tls_server.address, *_other_ca(tmp_path))
    assert ExitCode.UNAVAILABLE == ended.returncode
    assert [
        f"Cannot connect to {tls_server.address}: {TlsFault.UNTRUSTED}.",
        "If you trust it, give the certificate of its CA with --ca FILE.",
    ] == ended.stderr.splitlines()


def test_server_of_another_name(
    call: Run, start: StartTls, folder: TlsFolder, authority: Authority
) -> None:
    """The certificate is for a name other than the requested one."""
    folder.replace(authority.server("other.example"))
    server = start(*folder.flags)
    ended = call("find", "doc", "--resume", "--server", server.address, "--ca", str(folder.ca))
    assert ExitCode.UNAVAILABLE == ended.returncode
    assert [
        f"Cannot connect to {server.address}: its certificate is for another name or address.",
        "Name the server as its certificate does, or have it reissued.",
    ] == ended.stderr.splitlines()


def test_server_whose_certificate_has_expired(
    call: Run, shared_folder: TlsFolder, authority: Authority
) -> None:
    """Tested with a server of another kind, since ours does not start with such a certificate."""
    own = authority.server(ends=datetime.now(UTC) - timedelta(seconds=5))
    server = grpc.server(ThreadPoolExecutor(1))
    offered = grpc.ssl_server_credentials([(own.key, own.certificate)])
    address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', offered)}"
    server.start()
    ended = call("find", "doc", "--resume", "--server", address, "--ca", str(shared_folder.ca))
    server.stop(None).wait()
    assert ExitCode.UNAVAILABLE == ended.returncode
    assert [
        f"Cannot connect to {address}: its certificate has expired.",
        "Its operator has to renew the certificate.",
    ] == ended.stderr.splitlines()


@pytest.mark.parametrize("command", COMMANDS)
def test_tls_to_plain_text(
    call: Run, plain_server: ServerProcess, shared_folder: TlsFolder, command: tuple[str, ...]
) -> None:
    """Exit code 5, the options to leave out, and no retry."""
    ended = call(*command, "--server", plain_server.address, "--ca", str(shared_folder.ca))
    assert ExitCode.UNAVAILABLE == ended.returncode
    assert [
        f"Cannot connect to {plain_server.address}: it does not speak TLS.",
        "For plain text, leave out --tls, --ca and --certificate, and their variables.",
    ] == ended.stderr.splitlines()


@pytest.mark.parametrize("command", [("find", "doc"), ("estimate", "doc"), ("health",)])
def test_plain_text_to_tls(call: Run, tls_server: ServerProcess, command: tuple[str, ...]) -> None:
    """Exit code 5, and the options to add."""
    ended = call(*command, "--server", tls_server.address)
    assert ExitCode.UNAVAILABLE == ended.returncode
    assert [
        f"Cannot connect to {tls_server.address}: Socket closed (the server may use TLS).",
        "If it uses TLS, add --tls, or --ca FILE for a CA that the system does not know.",
    ] == ended.stderr.splitlines()


@pytest.mark.parametrize("command", [("find", "doc"), ("estimate", "doc"), ("health",)])
def test_missing_client_certificate(
    call: Run, mutual_server: ServerProcess, shared_folder: TlsFolder, command: tuple[str, ...]
) -> None:
    """Exit code 5, and the options to add."""
    ended = call(*command, "--server", mutual_server.address, "--ca", str(shared_folder.ca))
    assert ExitCode.UNAVAILABLE == ended.returncode
    first, second = ended.stderr.splitlines()
    assert first.endswith("Socket closed (the server may ask for a client certificate).")
    assert "If it asks for a client certificate, add --certificate FILE and --key FILE." == second


def test_client_certificate_of_another_ca(
    call: Run, mutual_server: ServerProcess, shared_folder: TlsFolder, tmp_path: Path
) -> None:
    """Exit code 5, and what to check."""
    certificate, key = Authority().client("me").write(tmp_path, "stranger")
    connection = ("--server", mutual_server.address, "--ca", str(shared_folder.ca))
    ended = call("find", "doc", *connection, "--certificate", str(certificate), "--key", str(key))
    assert ExitCode.UNAVAILABLE == ended.returncode
    first, second = ended.stderr.splitlines()
    assert first.endswith("Socket closed (the server may not accept the client certificate).")
    assert second.startswith("Check that its CA has signed the client certificate")


@pytest.mark.parametrize(
    ("make", "flag", "what"),
    [
        (lambda f: ("--ca", f"{f}/none.pem"), "--ca", "cannot read"),
        (lambda f: ("--ca", f"{f}/server.key"), "--ca", "has no certificate in PEM form"),
        (
            lambda f: ("--certificate", f"{f}/server.pem", "--key", f"{f}/none"),
            "--key",
            "cannot read",
        ),
        (
            lambda f: ("--certificate", f"{f}/ca.pem", "--key", f"{f}/server.key"),
            "--key",
            "is not the key of",
        ),
        (lambda f: ("--certificate", f"{f}/server.pem"), "--certificate", "need each other"),
    ],
)
def test_unusable_files_are_usage_errors(
    call: Run,
    tls_server: ServerProcess,
    shared_folder: TlsFolder,
    make: Callable[[Path], tuple[str, ...]],
    flag: str,
    what: str,
) -> None:
    """Exit code 2 before anything is sent; the message names the flag."""
    for command in (("find", "doc"), ("health",), ("estimate", "doc")):
        ended = call(*command, "--server", tls_server.address, *make(shared_folder.path))
        assert ExitCode.USAGE == ended.returncode
        assert flag in ended.stderr
        assert what in " ".join(ended.stderr.replace("│", " ").split())


def test_resume_command_repeats_the_connection(
    call: Run, tls_server: ServerProcess, shared_folder: TlsFolder
) -> None:
    """The printed command works when it is pasted."""
    connection = ("--server", tls_server.address, "--ca", str(shared_folder.ca))
    ended = call("find", "hopelesslyhopeless", "--maximum-hashes", "1000", *connection)
    assert ExitCode.BUDGET_SPENT == ended.returncode
    assert f"--ca {shared_folder.ca}" in ended.stderr
    assert "--tls" not in ended.stderr
    assert "None" not in ended.stderr


def test_library_speaks_tls(
    mutual_server: ServerProcess, shared_folder: TlsFolder, own: tuple[str, str]
) -> None:
    """`Finder` takes the settings as a value."""
    tls = Tls(ca=shared_folder.ca, certificate=own[0], key=own[1])
    with Finder(mutual_server.address, tls=tls) as finder:
        assert "doc" in finder.find("doc").hashed_name.lower()


async def test_library_for_asyncio_speaks_tls(
    mutual_server: ServerProcess, shared_folder: TlsFolder, own: tuple[str, str]
) -> None:
    """So does `AsyncFinder`."""
    tls = Tls(ca=shared_folder.ca, certificate=own[0], key=own[1])
    async with AsyncFinder(mutual_server.address, tls=tls) as finder:
        assert "doc" in (await finder.find("doc")).hashed_name.lower()


def test_library_does_not_retry_an_untrusted_server(
    tls_server: ServerProcess, tmp_path: Path
) -> None:
    """It raises a `TlsError` at once, however many retries the policy has."""
    (tmp_path / "other.pem").write_bytes(Authority().pem)
    policy = RetryPolicy(retries=1000)
    with Finder(tls_server.address, tls=Tls(ca=tmp_path / "other.pem"), policy=policy) as finder:
        with finder.find_range("doc", timeout=40) as events, pytest.raises(TlsError) as caught:
            assert not [event for event in events if isinstance(event, Pause)]
        assert TlsFault.UNTRUSTED is fault_of(caught.value.text)


def test_renewed_client_certificate_is_used_by_the_next_connection(
    start: StartTls, folder: TlsFolder, authority: Authority, tmp_path: Path
) -> None:
    """A finder outlives its certificate: the files are read again when they change."""
    successor = Authority()
    server = start(*folder.mutual)
    certificate, key = authority.client("me").write(tmp_path, "client")
    tls = Tls(ca=folder.ca, certificate=certificate, key=key)
    with Finder(server.address, tls=tls) as finder:
        finder.find("doc")
        folder.client_ca.write_bytes(successor.pem)
        successor.client("me").write(tmp_path, "client")
        finder.find("doc")  # over the existing connection
        deadline = time.monotonic() + 30
        while not server.logs("file reloaded"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        finder.find("doc")


def test_make_certs_makes_usable_files(start: StartTls, call: Run, tmp_path: Path) -> None:
    """The server and the client use the files of `make certs`."""
    subprocess.run(
        ["make", "-s", "certs", f"CERTS={tmp_path}/certs", "HOSTS=more.example"],  # noqa: S607
        check=True,
        capture_output=True,
        timeout=50,
        cwd=Path(__file__).parents[3],
    )
    certs = tmp_path / "certs"
    assert 0o600 == (certs / "server.key").stat().st_mode & 0o777
    own = ("--tls-certificate", f"{certs}/server.pem", "--tls-key", f"{certs}/server.key")
    server = start(*own, "--tls-client-ca", f"{certs}/ca.pem")
    ended = call(
        *("find", "doc", "--server", server.address, "--ca", f"{certs}/ca.pem"),
        *("--certificate", f"{certs}/client.pem", "--key", f"{certs}/client.key"),
    )
    assert 0 == ended.returncode, ended.stderr


def test_gateway_speaks_tls(
    mutual_server: ServerProcess, shared_folder: TlsFolder, own: tuple[str, str]
) -> None:
    """It uses its own certificate; without one its clients get only a short error."""
    trusted = f"--ca={shared_folder.ca}"
    with run_gateway(
        mutual_server, trusted, f"--certificate={own[0]}", f"--key={own[1]}"
    ) as gateway:
        assert 200 == gateway.request("GET", "/readyz")[0].status
        status, lines = gateway.lines("dad")
        assert (200, "ok") == (status, lines[-1]["end"]["code"])
    with run_gateway(mutual_server, trusted) as gateway:
        status, lines = gateway.lines("dad")
        assert (503, "the server cannot be reached") == (status, lines[-1]["end"]["message"])
