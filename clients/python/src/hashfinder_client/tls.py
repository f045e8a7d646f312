"""TLS to a server: whom to trust, who this side is, and what a failed handshake means.

gRPC's core says UNAVAILABLE for all of them, with a text.
"""

import os
import ssl
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import grpc

_Path: TypeAlias = str | os.PathLike[str]
_SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_TRIES = 3
"""To read files that are replaced meanwhile: a new certificate and an old key do not fit."""


@dataclass(frozen=True, kw_only=True)
class Tls:
    """How to speak TLS. The files hold PEM; they are read whenever a channel is opened.

    A unix socket is plain text whatever is given here: it does not leave the machine.
    """

    ca: _Path | None = None
    """The CAs that may have signed the server's certificate; None for those of the system."""
    certificate: _Path | None = None
    """The client's own certificate, for a server that asks for one."""
    key: _Path | None = None
    """The private key of `certificate`, without a passphrase."""

    def __post_init__(self) -> None:
        """Check that certificate and key come together.

        Raises:
            ValueError: they do not.
        """
        if (self.certificate is None) != (self.key is None):
            message = "certificate and key need each other"
            raise ValueError(message)

    def stamps(self) -> tuple[object, ...]:
        """Return a value that differs once a file was changed or replaced; links are followed."""
        return tuple(stamp_of(path) for path in (self.ca, self.certificate, self.key) if path)

    def credentials(self) -> grpc.ChannelCredentials:
        """Return the credentials of a channel.

        Raises:
            ValueError: a file cannot be read or used; names the field.
        """
        for _ in range(_TRIES):
            stamps = self.stamps()
            try:
                found = self._load()
            except ValueError:
                if stamps == self.stamps():
                    raise
            else:
                if stamps == self.stamps():
                    return found
        return self._load()

    def _load(self) -> grpc.ChannelCredentials:
        roots = _system_roots() if self.ca is None else _read("ca", self.ca)
        if self.ca is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=self.ca)
            except OSError as error:  # an SSLError is one
                message = f"ca: {self.ca} has no certificate in PEM form that can be used"
                raise ValueError(message) from error
        if self.certificate is None or self.key is None:
            return grpc.ssl_channel_credentials(roots)
        chain, key = _read("certificate", self.certificate), _read("key", self.key)
        _check_pair(self.certificate, self.key, key)
        return grpc.ssl_channel_credentials(roots, key, chain)


def stamp_of(path: _Path) -> object:
    """Return a value that differs once a file was changed or replaced; links are followed."""
    try:
        found = Path(path).stat()
    except OSError as error:
        return error.errno
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class TlsFault(StrEnum):
    """Why a handshake failed, where another try would fail alike."""

    UNTRUSTED = "its certificate is not from a CA that is trusted here"
    EXPIRED = "its certificate has expired"
    OTHER_NAME = "its certificate is for another name or address"
    UNFIT = "its certificate cannot be verified"
    PLAIN_TEXT = "it does not speak TLS"


def fault_of(text: str) -> TlsFault | None:
    """Return what failed for good, as gRPC's core says with `text`; None if nothing did."""
    return next((fault for sign, fault in _SIGNS if sign in text), None)


_SIGNS = (
    ("certificate has expired", TlsFault.EXPIRED),
    ("unable to get local issuer certificate", TlsFault.UNTRUSTED),
    ("self-signed certificate", TlsFault.UNTRUSTED),
    ("self signed certificate", TlsFault.UNTRUSTED),
    ("Hostname Verification Check failed", TlsFault.OTHER_NAME),
    ("CERTIFICATE_VERIFY_FAILED", TlsFault.UNFIT),
    ("WRONG_VERSION_NUMBER", TlsFault.PLAIN_TEXT),
)


def is_closed_at_once(text: str) -> bool:
    """Return whether the server closed a new connection, as gRPC's core says with `text`.

    TLS may be why: plain text to a port with TLS, no client certificate, or one not accepted. A
    server also does so when it drains, or at its limit of connections.
    """
    return "Socket closed" in text and "last error" in text


def closed_note(text: str, tls: Tls | None) -> str:
    """Return what it may mean that the server closed a connection at once, if it did."""
    if not is_closed_at_once(text):
        return ""
    if tls is None:
        return " (the server may use TLS)"
    if tls.certificate is None:
        return " (the server may ask for a client certificate)"
    return " (the server may not accept the client certificate)"


def _read(field: str, path: _Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"{field}: cannot read {os.fspath(path)}: {reason}"
        raise ValueError(message) from error


def _check_pair(certificate: _Path, key: _Path, key_pem: bytes) -> None:
    if b"ENCRYPTED" in key_pem:
        message = f"key: {os.fspath(key)} has a passphrase, which cannot be asked for"
        raise ValueError(message)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            message = f"key: {os.fspath(key)} is not the key of {os.fspath(certificate)}"
        else:
            message = f"certificate: {os.fspath(certificate)} and its key are no PEM files"
        raise ValueError(message) from error


def _system_roots() -> bytes | None:
    """Return the CAs that the system trusts; None for those that come with gRPC."""
    # The first is None where it does not exist.
    bundle = Path(str(ssl.get_default_verify_paths().cafile or _SYSTEM_BUNDLE))
    return bundle.read_bytes() if bundle.is_file() else None
