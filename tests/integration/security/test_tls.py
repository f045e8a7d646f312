"""The port with TLS: versions, clients, and what the server reports at its start."""

import json
import socket
import ssl
import subprocess
import warnings
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from deploy.certs import Authority, Pair
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.security.conftest import StartTls, TlsFolder, credentials
from tests.integration.server_process import ServerProcess, server_command, server_environment

pytestmark = pytest.mark.security

_SILENT = 200
_CLOSED_SECONDS = 40.0
"""A silent connection must close within this time: eight times the limit, for a busy machine."""


def found(server: ServerProcess, offered: grpc.ChannelCredentials) -> str:
    """Return the result of a short search on a new connection; raise gRPC's error."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(server.address, offered, options=options) as channel:
        response = HashFinderStub(channel).Find(HashNameRequest(desired_name="doc"), timeout=30)
        return response.secret


def refused(server: ServerProcess, offered: grpc.ChannelCredentials) -> bool:
    """Return whether a client with these credentials is refused."""
    with pytest.raises(grpc.RpcError) as caught:
        found(server, offered)
    return caught.value.code() is grpc.StatusCode.UNAVAILABLE


def connect(address: str) -> socket.socket:
    """Return a connection on which nothing was sent."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def negotiated(
    address: str, version: ssl.TLSVersion, own: tuple[Path, Path] | None = None
) -> str | None:
    """Return the TLS version negotiated with a client that supports only `version`.

    `own` is the certificate and key that the client shows, if any.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if own is not None:
        context.load_cert_chain(*own)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # otherwise this side refuses the old versions
    context.set_alpn_protocols(["h2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the test is about old versions
        context.minimum_version = context.maximum_version = version
    with context.wrap_socket(connect(address)) as connection:
        return connection.version()


@pytest.mark.parametrize(
    ("version", "name"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]
)
def test_current_versions_are_spoken(
    tls_server: ServerProcess, version: ssl.TLSVersion, name: str
) -> None:
    """TLS 1.2 and 1.3."""
    assert name == negotiated(tls_server.address, version)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(tls_server: ServerProcess, version: ssl.TLSVersion) -> None:
    """The server closes the connection."""
    with pytest.raises((ssl.SSLError, ConnectionResetError), match=r"EOF|alert|reset"):
        negotiated(tls_server.address, version)


def test_clients_need_no_certificate_unless_asked(
    tls_server: ServerProcess, authority: Authority
) -> None:
    """With TLS alone, any client that trusts the server may search."""
    assert "AMA=" == found(tls_server, credentials(authority.pem))
    own = authority.client("somebody")
    assert "AMA=" == found(tls_server, credentials(authority.pem, own))


def test_client_with_a_certificate_is_served(
    mutual_server: ServerProcess, authority: Authority
) -> None:
    """The client CA has signed its certificate."""
    assert "AMA=" == found(mutual_server, credentials(authority.pem, authority.client("me")))


def test_client_without_a_valid_certificate_is_refused(
    mutual_server: ServerProcess, authority: Authority
) -> None:
    """None, another CA's, an expired one, one for servers: no RPC succeeds."""
    before = mutual_server.metric("grpc_server_started_total")
    past = datetime.now(UTC) - timedelta(seconds=10)
    unfit: list[Pair | None] = [
        None,
        Authority().client("me"),
        authority.client("me", ends=past),
        authority.server(),
    ]
    for own in unfit:
        assert refused(mutual_server, credentials(authority.pem, own))
    assert before == mutual_server.metric("grpc_server_started_total")


def test_plain_text_is_refused(tls_server: ServerProcess) -> None:
    """A port with TLS accepts nothing else."""
    with tls_server.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        HashFinderStub(channel).Find(HashNameRequest(desired_name="doc"), timeout=30)
    assert grpc.StatusCode.UNAVAILABLE is caught.value.code()


def test_silent_handshakes_are_closed(tls_server: ServerProcess, authority: Authority) -> None:
    """200 connections never finish their handshake; others can search meanwhile."""
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(tls_server.address)) for _ in range(_SILENT)]
        for number, connection in enumerate(silent):
            if number % 2:  # an incomplete ClientHello
                connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        for _ in range(5):
            assert "AMA=" == found(tls_server, credentials(authority.pem))
        for connection in silent:
            connection.settimeout(_CLOSED_SECONDS)
            with suppress(ConnectionResetError):
                assert b"" == connection.recv(1)


def test_start_reports_the_certificate(tls_server: ServerProcess, shared_folder: TlsFolder) -> None:
    """The log and a metric have the time at which it expires."""
    [loaded] = tls_server.logs("certificate loaded")
    expires = tls_server.metric("hashfinder_tls_certificate_expiry_timestamp_seconds")
    assert str(shared_folder.certificate) == loaded["certificate"]
    assert datetime.fromisoformat(loaded["expires"]).timestamp() == expires
    assert expires > datetime.now(UTC).timestamp() + 20 * 86_400


def test_certificate_that_expires_soon_causes_a_warning(
    start: StartTls, folder: TlsFolder, authority: Authority
) -> None:
    """Soon is within a week."""
    folder.replace(authority.server(ends=datetime.now(UTC) + timedelta(days=2, hours=1)))
    [loaded] = start(*folder.flags).logs("certificate loaded")
    assert ("warning", 2) == (loaded["level"], loaded["days_left"])


def failure(*flags: str) -> str:
    """Return why a server does not start."""
    ended = subprocess.run(
        server_command(*flags),
        capture_output=True,
        text=True,
        timeout=50,
        env=server_environment(),
        check=False,
    )
    assert 1 == ended.returncode
    [failed] = [json.loads(line) for line in ended.stderr.splitlines()]
    return str(failed["reason"])


def test_server_with_broken_files_does_not_start(folder: TlsFolder) -> None:
    """It names the setting, the file and the problem, and exits with 1."""
    folder.key.write_bytes(folder.key.read_bytes()[:60])
    reason = failure(*folder.flags)
    assert reason.startswith("--tls-key (HASHFINDER_TLS_KEY): ")
    assert str(folder.key) in reason


def test_plain_text_on_a_network_causes_a_warning(start: StartTls) -> None:
    """Once, at the start, with the address; not on loopback."""
    server = start("--host", "0.0.0.0", "--plain-text")  # noqa: S104  # the test's subject
    [warned] = [line for line in server.logs() if line["level"] == "warning"]
    assert "plain text" in warned["event"]
    assert server.address == warned["grpc"]
    assert not [line for line in start().logs() if line["level"] == "warning"]


def test_certificates_of_the_tests_are_valid(folder: TlsFolder) -> None:
    """OpenSSL's own program accepts them."""
    ended = subprocess.run(
        ["openssl", "verify", "-CAfile", str(folder.ca), str(folder.certificate)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert f"{folder.certificate}: OK\n" == ended.stdout
