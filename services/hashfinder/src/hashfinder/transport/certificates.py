"""The server's certificate, key and client CAs, read from files and checked before gRPC sees them.

gRPC's core says no more than "failed to bind" of a file that it cannot use, drops what it cannot
read of a bundle, and takes a set that every client would refuse. So a set first shakes hands with
itself, in memory: that proves that the key fits, that the certificate has not expired, and that it
is one for servers.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from hashfinder.access.file_error import UnreadableError
from hashfinder.domain.errors import HashFinderError

CERTIFICATE = "--tls-certificate (HASHFINDER_TLS_CERTIFICATE)"
KEY = "--tls-key (HASHFINDER_TLS_KEY)"
CLIENT_CA = "--tls-client-ca (HASHFINDER_TLS_CLIENT_CA)"
METRICS_CLIENT_CA = "--metrics-client-ca (HASHFINDER_METRICS_CLIENT_CA)"
_BEGIN = "-----BEGIN CERTIFICATE-----"
_END = "-----END CERTIFICATE-----"
_LARGEST_BYTES = 1024 * 1024
_HANDSHAKE_STEPS = 4


class CertificateError(HashFinderError):
    """A file of the TLS settings cannot be used. The operator acts."""


class UnreadableCertificateError(CertificateError, UnreadableError):
    """A file of the TLS settings cannot be read. The operator acts."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the PEM files are."""

    certificate: str
    """The server's certificate, followed by those between it and its CA."""
    key: str
    """The certificate's private key, without a passphrase."""
    client_ca: str | None = None
    """The CAs of the clients' certificates; None to ask for none."""
    metrics_client_ca: str | None = None
    """The CAs of the certificates of those who may scrape; None for metrics in plain text."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        paths = (self.certificate, self.key, self.client_ca, self.metrics_client_ca)
        return tuple(filter(None, paths))


@dataclass(frozen=True, slots=True)
class CertificateSet:
    """What the files contain: a set that works."""

    chain: bytes
    key: bytes
    client_ca: bytes | None
    expires: float
    """When the server's certificate expires, in seconds since 1970."""
    metrics: ssl.SSLContext | None
    """How metrics are served, to those with a certificate; None for plain text."""


def load_certificates(files: TlsFiles) -> CertificateSet:
    """Return what `files` contain. Reads and computes for some milliseconds.

    If they change meanwhile, their follower sees that, and they are read again.

    Raises:
        UnreadableCertificateError: a file cannot be read.
        CertificateError: one cannot be used, or they do not fit each other. Both name the setting
            and the file.
    """
    chain = _read(CERTIFICATE, files.certificate)
    key = _read(KEY, files.key)
    leaf = _certificates(CERTIFICATE, files.certificate, chain)[0]
    if b"ENCRYPTED" in key:
        message = f"{KEY}: {files.key} has a passphrase, which the server cannot ask for"
        raise CertificateError(message)
    server = _server_context(files)
    client_ca = None
    if files.client_ca is not None:
        client_ca = _read(CLIENT_CA, files.client_ca)
        _certificates(CLIENT_CA, files.client_ca, client_ca)
    expires = _expiry(files, server, leaf)
    if _read(KEY, files.key) != key:  # replaced meanwhile: only the new one was checked
        return load_certificates(files)
    metrics = None
    if files.metrics_client_ca is not None:
        metrics = server
        content = _read(METRICS_CLIENT_CA, files.metrics_client_ca)
        trusted = _certificates(METRICS_CLIENT_CA, files.metrics_client_ca, content)
        metrics.load_verify_locations(cadata="\n".join(trusted))
        metrics.verify_mode = ssl.CERT_REQUIRED
    return CertificateSet(chain, key, client_ca, expires, metrics)


def _read(setting: str, path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        message = f"{setting}: cannot read {path}: {error.strerror}"
        raise UnreadableCertificateError(message) from error
    except ValueError as error:
        message = f"{setting}: cannot read {path}: {error}"
        raise CertificateError(message) from error
    if len(content) > _LARGEST_BYTES:
        message = f"{setting}: {path} is larger than 1 MiB"
        raise CertificateError(message)
    return content


def _certificates(setting: str, path: str, content: bytes) -> list[str]:
    """Return each certificate of a bundle, as PEM; refuse a bundle with one that is broken."""
    text = content.decode("ascii", errors="replace")
    found = [_BEGIN + each.partition(_END)[0] + _END for each in text.split(_BEGIN)[1:]]
    if not found or text.count(_END) != len(found):
        what = "ends within a certificate" if found else "has no certificate in PEM form"
        message = f"{setting}: {path} {what}"
        raise CertificateError(message)
    for number, pem in enumerate(found, 1):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
        except (ssl.SSLError, ValueError) as error:
            message = f"{setting}: certificate {number} of {path} cannot be read"
            raise CertificateError(message) from error
    return found


def _server_context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.certificate, files.key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            message = f"{KEY}: {files.key} is not the key of the certificate {files.certificate}"
        else:
            message = f"{KEY}: {files.key} has no private key in PEM form that can be used"
        raise CertificateError(message) from error
    except OSError as error:
        message = f"{KEY}: cannot read {files.key}: {error.strerror}"
        raise UnreadableCertificateError(message) from error
    return context


def _expiry(files: TlsFiles, server: ssl.SSLContext, leaf: str) -> float:
    """Return when the certificate expires, once a client that trusts it has taken it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # whoever has signed it
    context.load_verify_locations(cadata=leaf)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_side = context.wrap_bio(back, there)
    server_side = server.wrap_bio(there, back, server_side=True)
    try:
        for _ in range(_HANDSHAKE_STEPS):
            for side in (client_side, server_side):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        found = client_side.getpeercert() or {}
        return float(ssl.cert_time_to_seconds(str(found["notAfter"])))
    except ssl.SSLCertVerificationError as error:
        message = (
            f"{CERTIFICATE}: no client would accept {files.certificate}: {error.verify_message}"
        )
        raise CertificateError(message) from error
    except (ssl.SSLError, KeyError, ValueError) as error:
        message = f"{CERTIFICATE}: {files.certificate} is not fit for TLS: {error}"
        raise CertificateError(message) from error
