"""The name of a client, from its certificate."""

import re
from collections.abc import Iterable, Mapping

from hashfinder.domain.errors import CertificateUnknownError

_SPIFFE = re.compile(r"spiffe://[!-~]{1,247}")
_DNS = re.compile(r"[!-~]{1,253}")
_COMMON_NAME = re.compile(r"[ -~]{1,256}")  # other characters could break a line of the log


def name_in(auth: Mapping[str, Iterable[bytes]]) -> str | None:
    """Return the client's name, as a policy has it; None where there is no certificate.

    That is its SPIFFE ID; or else its DNS name, of several the first in alphabetical order; or else
    its common name.

    Args:
        auth: the authentication context that gRPC has of the connection.

    Raises:
        CertificateUnknownError: it has two SPIFFE IDs, or no name that can be used.
    """
    ids = sorted({uri for uri in _texts(auth, "peer_uri") if uri.startswith("spiffe://")})
    if len(ids) > 1:
        message = "the client certificate has more than one SPIFFE ID"
        raise CertificateUnknownError(message)
    if ids:
        return _checked("", ids[0], _SPIFFE)
    if names := sorted(_texts(auth, "peer_dns")):
        return _checked("dns:", names[0].lower(), _DNS)
    if names := sorted(_texts(auth, "x509_common_name")):
        return _checked("cn:", names[0], _COMMON_NAME)
    if "x509_pem_cert" in auth:
        message = "the client certificate has no SPIFFE ID, no DNS name and no common name"
        raise CertificateUnknownError(message)
    return None


def _texts(auth: Mapping[str, Iterable[bytes]], key: str) -> set[str]:
    return {value.decode("utf-8", "replace") for value in auth.get(key, ())} - {""}


def _checked(kind: str, name: str, form: re.Pattern[str]) -> str:
    if not form.fullmatch(name):
        message = "the name in the client certificate has characters that are not printable ASCII"
        raise CertificateUnknownError(message)
    return kind + name
