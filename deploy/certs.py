"""Makes a CA for tests, and certificates of a server and a client: `make certs`.

For trying out and for the tests. What others rely on comes from a CA that is kept safe: see
docs/security.md.
"""

import argparse
import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOSTS = ("localhost", "127.0.0.1", "::1")
_VALID = timedelta(days=30)
_SERVER = ExtendedKeyUsageOID.SERVER_AUTH
_CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, in PEM form."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write ``name.pem`` and ``name.key``, the key for this user alone; return both paths."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(self.certificate)
        key.touch(mode=0o600)
        key.write_bytes(self.key)
        return certificate, key


class Authority:
    """A CA that lives as long as this object: nothing more can be issued afterwards."""

    def __init__(self, name: str = "HashFinder test CA") -> None:
        """Make a key, and the certificate that clients and servers are to trust."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        self._certificate = (
            _builder(self._name, self._name, self._key, now - timedelta(days=1), now + _VALID)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = _pem(self._certificate)
        """The CA's certificate."""

    def server(self, *hosts: str, ends: datetime | None = None) -> Pair:
        """Issue a certificate for a server of these names and addresses."""
        return self._issue("HashFinder server", map(_host, hosts or HOSTS), _SERVER, ends)

    def client(
        self,
        name: str,
        *,
        hosts: Iterable[str] = (),
        uris: Iterable[str] = (),
        ends: datetime | None = None,
    ) -> Pair:
        """Issue a certificate for the client `name`, with alternative names if any are given."""
        names = [*map(_host, hosts), *map(x509.UniformResourceIdentifier, uris)]
        return self._issue(name, names, _CLIENT, ends)

    def _issue(
        self,
        name: str,
        names: Iterable[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        ends: datetime | None,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        begins = now - timedelta(days=1)
        builder = (
            _builder(subject, self._name, key, begins, ends or now + _VALID)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if alternatives := list(names):
            extension = x509.SubjectAlternativeName(alternatives)
            builder = builder.add_extension(extension, critical=False)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return Pair(_pem(builder.sign(self._key, hashes.SHA256())), pem)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begins: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(identifier, critical=False)
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _host(name: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def main() -> None:
    """Write the files of a new CA into a folder."""
    parser = argparse.ArgumentParser(description="Make a CA for tests, and two certificates of it.")
    parser.add_argument("folder", type=Path, help="where to write; made if it is not there")
    parser.add_argument("hosts", nargs="*", help=f"names and addresses of the server ({HOSTS})")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    authority = Authority()
    (folder / "ca.pem").write_bytes(authority.pem)
    authority.server(*HOSTS, *arguments.hosts).write(folder, "server")
    authority.client("test-client").write(folder, "client")
    print(f"{folder}: ca.pem, server.pem, server.key, client.pem, client.key; valid for 30 days")


if __name__ == "__main__":
    main()
