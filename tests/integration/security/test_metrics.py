"""Metrics over mutual TLS: who may scrape, and certificates that change."""

import ssl
from pathlib import Path
from urllib.request import urlopen

import pytest

from deploy.certs import Authority, Pair
from hashfinder_client import Tls
from hashfinder_web.upstream.metrics import ServerMetrics
from tests.http2 import connections
from tests.integration.security.conftest import StartTls, TlsFolder, credentials
from tests.integration.security.test_tls import found, negotiated
from tests.integration.server_process import ServerProcess, eventually

pytestmark = pytest.mark.security

_SILENT = 100


@pytest.fixture
def server(start: StartTls, folder: TlsFolder) -> ServerProcess:
    """A server whose metrics are for those with a certificate; searches are for everybody."""
    return start(*folder.flags, "--metrics-client-ca", str(folder.client_ca))


def address(server: ServerProcess) -> str:
    """Return where the metrics are."""
    where: str = server.logs("serving")[0]["metrics"]
    return where


def page(server: ServerProcess, trusted: Authority, own: Pair | None, folder: Path) -> str:
    """Return what a scraper gets that trusts `trusted`, and shows its `own` certificate."""
    context = ssl.create_default_context(cadata=trusted.pem.decode())
    if own is not None:
        context.load_cert_chain(*own.write(folder, "scraper"))
    with urlopen(f"https://{address(server)}/metrics", context=context, timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def is_refused(server: ServerProcess, trusted: Authority, own: Pair | None, folder: Path) -> bool:
    """Return whether such a scraper gets nothing."""
    try:
        page(server, trusted, own, folder)
    except OSError as error:
        return "CERTIFICATE_VERIFY_FAILED" not in str(error)  # it trusts the server
    return False


def test_only_scrapers_with_a_certificate_are_answered(
    server: ServerProcess, authority: Authority, tmp_path: Path
) -> None:
    """Neither one without it, nor of another CA, nor with one for servers; searches need none."""
    own = authority.client("prometheus")
    for stranger in (None, Authority("another").client("prometheus"), authority.server()):
        assert is_refused(server, authority, stranger, tmp_path)
    assert "hashfinder_build_info" in page(server, authority, own, tmp_path)
    with pytest.raises(ConnectionError):
        urlopen(f"http://{address(server)}/metrics", timeout=30)
    assert "AMA=" == found(server, credentials(authority.pem))


def test_versions(server: ServerProcess, authority: Authority, tmp_path: Path) -> None:
    """1.2 and 1.3."""
    own = authority.client("prometheus").write(tmp_path, "scraper")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert negotiated(address(server), version, own)
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            negotiated(address(server), version, own)


def test_handshakes_that_never_end_keep_nobody_out(
    server: ServerProcess, authority: Authority, tmp_path: Path
) -> None:
    """More of them than connections are open at once."""
    with connections(address(server), _SILENT):
        assert "hashfinder" in page(server, authority, authority.client("me"), tmp_path)


def test_gateway_reads_them_with_its_certificate(
    server: ServerProcess, folder: TlsFolder, authority: Authority, tmp_path: Path
) -> None:
    """The one that it shows to the server for searches."""
    certificate, key = authority.client("web").write(tmp_path, "web")
    url = f"https://{address(server)}/metrics"
    metrics = ServerMetrics(url, Tls(ca=folder.ca, certificate=certificate, key=key))
    [text] = metrics.fetch_all()
    assert "hashfinder_build_info" in text
    assert [] == ServerMetrics(url, Tls(ca=folder.ca)).fetch_all()

    certificate.write_bytes(b"broken")
    assert 1 == len(metrics.fetch_all()), "the former one remains"

    # The other's CA signed it: the server does not take it, so it was read.
    Authority("HashFinder test CA 2").client("web").write(tmp_path, "web")
    assert [] == metrics.fetch_all()


def test_renewed_files_count_for_the_next_scrape(
    server: ServerProcess, folder: TlsFolder, authority: Authority, tmp_path: Path
) -> None:
    """The server's certificate and the CA of the scrapers; broken files change nothing."""
    server.faults_expected = True
    successor = Authority("HashFinder test CA 2")
    folder.client_ca.write_bytes(b"\n")
    eventually(lambda: bool(server.logs("file not reloaded: the last valid one remains")), "", 30)
    [refused] = server.logs("file not reloaded: the last valid one remains")
    setting = "--metrics-client-ca (HASHFINDER_METRICS_CLIENT_CA): "
    assert refused["reason"].startswith(f"{setting}{folder.client_ca} has no certificate")
    assert "hashfinder" in page(server, authority, authority.client("me"), tmp_path)

    folder.client_ca.write_bytes(successor.pem)
    folder.replace(successor.server())
    eventually(lambda: bool(server.logs("file reloaded")), "it is reloaded", 30)
    assert "hashfinder" in page(server, successor, successor.client("me"), tmp_path)
    assert is_refused(server, successor, authority.client("me"), tmp_path)
