"""Certificates that change while the server runs."""

import hashlib
import ssl
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from deploy.certs import Authority
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.security.conftest import StartTls, TlsFolder, credentials
from tests.integration.security.test_tls import found, refused
from tests.integration.server_process import ServerProcess, eventually

pytestmark = pytest.mark.security

_RELOADS = "hashfinder_tls_reloads_total"
_RELOAD_SECONDS = 30.0


def fingerprint(pem: str) -> str:
    """Return a certificate's fingerprint."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def shown(server: ServerProcess) -> str:
    """Return the fingerprint of the certificate for new connections."""
    host, _, port = server.address.rpartition(":")
    return fingerprint(ssl.get_server_certificate((host, int(port)), timeout=30))


def wait_for(server: ServerProcess, result: str, count: int = 1) -> None:
    """Return when a changed set of files was loaded or refused for the `count`th time."""
    eventually(
        lambda: server.metric(_RELOADS, result=result) == count,
        f"reload number {count}: {result}",
        _RELOAD_SECONDS,
    )


def test_renewed_certificate_is_loaded_and_open_streams_continue(
    start: StartTls, folder: TlsFolder, authority: Authority
) -> None:
    """New connections get the new certificate; a running stream continues on its old connection."""
    server = start(*folder.flags)
    request = HashNameRequest(desired_name="hopelesslyhopeless")
    request.progress_interval.FromMilliseconds(50)
    with grpc.secure_channel(server.address, credentials(authority.pem)) as channel:
        stream = HashFinderStub(channel).FindRange(request, timeout=55)
        first = next(stream).progress.hashes_computed
        renewed = authority.server(ends=datetime.now(UTC) + timedelta(days=25))
        folder.replace(renewed)
        wait_for(server, "success")

        assert fingerprint(renewed.certificate.decode()) == shown(server)
        assert 1 == server.metric("hashfinder_searches_active")
        # the next report may be from before a worker's turn
        assert any(message.progress.hashes_computed > first for message in stream)
        stream.cancel()
    _, reloaded = server.logs("certificate loaded")
    expires = server.metric("hashfinder_tls_certificate_expiry_timestamp_seconds")
    assert datetime.fromisoformat(reloaded["expires"]).timestamp() == expires
    assert 0 == server.metric(_RELOADS, result="failure")


def test_rotation_to_a_new_ca_refuses_no_client(
    start: StartTls, folder: TlsFolder, authority: Authority
) -> None:
    """First both CAs are trusted, then certificates change, then the old CA is dropped."""
    successor = Authority("HashFinder test CA 2")
    old, new = authority.client("me"), successor.client("me")
    both = authority.pem + successor.pem
    server = start(*folder.mutual)
    assert "AMA=" == found(server, credentials(both, old))
    assert refused(server, credentials(both, new))

    folder.client_ca.write_bytes(both)
    wait_for(server, "success")
    assert "AMA=" == found(server, credentials(both, old))
    assert "AMA=" == found(server, credentials(both, new))

    folder.replace(successor.server())
    wait_for(server, "success", 2)
    assert "AMA=" == found(server, credentials(successor.pem, old))

    folder.client_ca.write_bytes(successor.pem)
    wait_for(server, "success", 3)
    assert refused(server, credentials(both, old))
    assert "AMA=" == found(server, credentials(successor.pem, new))


def _mismatch(folder: TlsFolder, authority: Authority) -> str:
    folder.key.write_bytes(authority.server().key)
    return f"--tls-key (HASHFINDER_TLS_KEY): {folder.key} is not the key of the certificate"


def _half_written(folder: TlsFolder, authority: Authority) -> str:
    pem = authority.server().certificate
    folder.certificate.write_bytes(pem[: len(pem) // 2])
    return f"--tls-certificate (HASHFINDER_TLS_CERTIFICATE): {folder.certificate} ends within"


def _no_bundle(folder: TlsFolder, _: Authority) -> str:
    folder.client_ca.write_bytes(b"\n")
    return f"--tls-client-ca (HASHFINDER_TLS_CLIENT_CA): {folder.client_ca} has no certificate"


def test_invalid_files_leave_the_last_valid_ones_in_use(
    start: StartTls, folder: TlsFolder, authority: Authority
) -> None:
    """Each invalid set is logged once and counted; the next valid set is loaded."""
    server = start(*folder.mutual)
    server.faults_expected = True
    own = credentials(authority.pem, authority.client("me"))
    event = "file not reloaded: the last valid one remains"
    for count, spoil in enumerate((_mismatch, _half_written, _no_bundle), 1):
        before = shown(server)
        reason = spoil(folder, authority)
        wait_for(server, "failure", count)
        assert reason in server.logs(event)[-1]["reason"]
        assert "AMA=" == found(server, own)
        assert before == shown(server)

        folder.client_ca.write_bytes(authority.pem)
        folder.replace(authority.server())
        wait_for(server, "success", count)
        assert before != shown(server)
    assert 3 == server.metric(_RELOADS, result="failure") == len(server.logs(event))
