"""Certificate files: valid ones, and what is wrong with invalid ones."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.certs import Authority, Pair
from hashfinder.access.file_error import UnreadableError
from hashfinder.access.followed_files import stamps_of
from hashfinder.transport import certificates
from hashfinder.transport.certificates import CertificateError, TlsFiles, load_certificates


@dataclass
class Written:
    """Valid files, until a test breaks one."""

    folder: Path
    authority: Authority

    def __post_init__(self) -> None:
        """Write the files."""
        self.certificate, self.key = self.authority.server().write(self.folder, "server")
        self.ca = self.folder / "ca.pem"
        self.ca.write_bytes(self.authority.pem)
        self.metrics_ca = self.folder / "metrics.pem"
        self.metrics_ca.write_bytes(self.authority.pem)

    @property
    def files(self) -> TlsFiles:
        """The paths of the files."""
        names = (self.certificate, self.key, self.ca, self.metrics_ca)
        return TlsFiles(*map(str, names))

    def put(self, pair: Pair) -> None:
        """Replace the certificate and the key."""
        self.certificate.write_bytes(pair.certificate)
        self.key.write_bytes(pair.key)


@pytest.fixture(scope="module")
def authority() -> Authority:
    """A CA for all tests, because making keys is slow."""
    return Authority()


@pytest.fixture
def written(tmp_path: Path, authority: Authority) -> Written:
    """Valid files."""
    return Written(tmp_path, authority)


def test_set_has_the_contents_of_the_files(written: Written) -> None:
    """The bytes, and the expiry of the certificate."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    written.put(written.authority.server(ends=ends))
    found = load_certificates(written.files)
    assert written.certificate.read_bytes() == found.chain
    assert written.key.read_bytes() == found.key
    assert written.ca.read_bytes() == found.client_ca
    assert ends.timestamp() == found.expires


def test_key_replaced_while_the_set_is_checked_is_the_new_one(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key that is returned is that of the certificate."""
    new = written.authority.server()
    read = certificates._read  # noqa: SLF001  # the moment of the change

    def read_and_replace(setting: str, path: str) -> bytes:
        content = read(setting, path)
        if path == str(written.key):
            written.key.write_bytes(new.key)
        return content

    written.certificate.write_bytes(new.certificate)
    monkeypatch.setattr(certificates, "_read", read_and_replace)
    found = load_certificates(written.files)
    assert (new.certificate, new.key) == (found.chain, found.key)


def test_client_cas_are_optional(written: Written) -> None:
    """Then no client needs a certificate, and metrics are plain text."""
    found = load_certificates(TlsFiles(str(written.certificate), str(written.key)))
    assert found.client_ca is None
    assert found.metrics is None


def test_scrapers_need_a_certificate(written: Written) -> None:
    """Of one of the CAs of the bundle."""
    written.metrics_ca.write_bytes(written.authority.pem + Authority("other").pem)
    found = load_certificates(written.files).metrics
    assert found is not None
    assert ssl.CERT_REQUIRED is found.verify_mode
    assert 2 == len(found.get_ca_certs())


def test_chain_and_bundle_may_have_several_certificates(written: Written) -> None:
    """Text between them is allowed, as other tools write it."""
    more = b"# another\n" + Authority("other").pem
    written.certificate.write_bytes(written.certificate.read_bytes() + more)
    written.ca.write_bytes(written.ca.read_bytes() + more)
    assert more in load_certificates(written.files).chain


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _corrupted(path: Path) -> None:
    pem = path.read_bytes()
    path.write_bytes(pem[:200] + b"****" + pem[204:])


CERTIFICATE = "--tls-certificate (HASHFINDER_TLS_CERTIFICATE): "
KEY = "--tls-key (HASHFINDER_TLS_KEY): "
CLIENT_CA = "--tls-client-ca (HASHFINDER_TLS_CLIENT_CA): "
METRICS_CA = "--metrics-client-ca (HASHFINDER_METRICS_CLIENT_CA): "
PAST = datetime.now(UTC) - timedelta(seconds=5)

BREAKS: dict[str, tuple[Callable[[Written], object], str, str]] = {
    "no certificate": (lambda w: w.certificate.unlink(), CERTIFICATE, "No such file"),
    "no key": (lambda w: w.key.unlink(), KEY, "No such file"),
    "no CA": (lambda w: w.ca.unlink(), CLIENT_CA, "No such file"),
    "no CA of scrapers": (lambda w: w.metrics_ca.unlink(), METRICS_CA, "No such file"),
    "corrupted CA of scrapers": (
        lambda w: _corrupted(w.metrics_ca),
        METRICS_CA,
        "certificate 1 of",
    ),
    "folder": (lambda w: _folder(w.ca), CLIENT_CA, "Is a directory"),
    "empty certificate": (lambda w: w.certificate.write_bytes(b""), CERTIFICATE, "no certificate"),
    "empty key": (lambda w: w.key.write_bytes(b""), KEY, "no private key"),
    "empty CA": (lambda w: w.ca.write_bytes(b""), CLIENT_CA, "no certificate"),
    "half a certificate": (lambda w: _truncated(w.certificate), CERTIFICATE, "ends within"),
    "half a key": (lambda w: _truncated(w.key), KEY, "no private key"),
    "half a CA": (lambda w: _truncated(w.ca), CLIENT_CA, "ends within"),
    "corrupted CA": (lambda w: _corrupted(w.ca), CLIENT_CA, "certificate 1 of"),
    "second CA broken": (
        lambda w: w.ca.write_bytes(w.ca.read_bytes() + w.ca.read_bytes()[:99]),
        CLIENT_CA,
        "ends within",
    ),
    "other key": (
        lambda w: w.key.write_bytes(w.authority.server().key),
        KEY,
        "is not the key of the certificate",
    ),
    "key with a passphrase": (
        lambda w: w.key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"),
        KEY,
        "has a passphrase",
    ),
    "swapped": (
        lambda w: w.certificate.write_bytes(w.key.read_bytes()),
        CERTIFICATE,
        "no certificate",
    ),
    "expired": (lambda w: w.put(w.authority.server(ends=PAST)), CERTIFICATE, "has expired"),
    "for clients": (
        lambda w: w.put(w.authority.client("me")),
        CERTIFICATE,
        "unsuitable certificate purpose",
    ),
    "too large": (lambda w: w.ca.write_bytes(b" " * 2**21), CLIENT_CA, "larger than 1 MiB"),
}


@pytest.mark.parametrize("case", BREAKS)
def test_what_is_wrong_is_named(written: Written, case: str) -> None:
    """The message names the setting, the file, and the problem; the type, who can mend it."""
    spoil, setting, what = BREAKS[case]
    spoil(written)
    with pytest.raises(CertificateError) as caught:
        load_certificates(written.files)
    sentence = str(caught.value)
    assert sentence.startswith(setting)
    assert str(written.folder) in sentence
    assert what in sentence
    of_the_system = what in {"No such file", "Is a directory"}
    assert of_the_system == isinstance(caught.value, UnreadableError)


def test_stamps_change_with_every_file(written: Written) -> None:
    """It changes as well when a symbolic link changes, as Kubernetes updates a Secret."""
    link = written.folder / "link.pem"
    link.symlink_to(written.ca)
    files = replace(written.files, client_ca=str(link))
    seen = {stamps_of(files.paths)}
    for path in (written.certificate, written.key, written.ca, written.metrics_ca):
        path.write_bytes(path.read_bytes() + b"\n")
        seen.add(stamps_of(files.paths))
    other = written.folder / "other.pem"
    other.write_bytes(written.ca.read_bytes())
    link.unlink()
    link.symlink_to(other)
    seen.add(stamps_of(files.paths))
    written.key.unlink()
    seen.add(stamps_of(files.paths))
    assert 7 == len(seen)
    assert stamps_of(files.paths) in seen
