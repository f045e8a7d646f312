"""The client named by a certificate, from the core's properties of the connection."""

import pytest

from hashfinder.domain.errors import CertificateUnknownError
from hashfinder.transport.peer_certificate import name_in

SPIFFE = b"spiffe://example.org/ns/lab/sa/searcher"
TLS = {"transport_security_type": [b"ssl"], "x509_pem_cert": [b"-----BEGIN CERTIFICATE-----"]}


@pytest.mark.parametrize(
    ("names", "client"),
    [
        (
            {
                "x509_common_name": [b"searcher"],
                "x509_subject_alternative_name": [b"b.example", SPIFFE, b"192.0.2.1"],
                "peer_uri": [SPIFFE],
                "peer_dns": [b"b.example"],
                "peer_spiffe_id": [SPIFFE],
            },
            SPIFFE.decode(),
        ),
        (
            {"x509_common_name": [b"searcher"], "peer_dns": [b"b.example", b"A.example"]},
            "dns:a.example",
        ),
        ({"peer_uri": [b"https://a.example/"], "peer_dns": [b"B.Example"]}, "dns:b.example"),
        ({"peer_uri": [b"https://a.example/"], "x509_common_name": [b"A B"]}, "cn:A B"),
        ({"x509_common_name": [b"searcher"]}, "cn:searcher"),
        ({"x509_common_name": [b"token:alice"]}, "cn:token:alice"),
    ],
)
def test_uri_counts_before_dns_before_the_common_name(
    names: dict[str, list[bytes]], client: str
) -> None:
    """The kind is part of the name, so that a certificate cannot impersonate a token."""
    assert client == name_in({**TLS, **names})


@pytest.mark.parametrize(
    "names",
    [
        {"peer_uri": [SPIFFE, b"spiffe://example.org/other"], "peer_dns": [b"a.example"]},
        {"peer_uri": [b"spiffe://"]},
        {"peer_uri": [b"spiffe://example.org/two words"]},
        {"peer_dns": [b"a.example\n"]},
        {"x509_common_name": [b"line\nbreak"]},
        {"x509_common_name": [b"\xff"]},
        {"x509_common_name": [b"x" * 257]},
        {"x509_common_name": [b""]},
        {},
    ],
)
def test_certificate_that_names_no_one_clearly_is_refused(names: dict[str, list[bytes]]) -> None:
    """So is a name that would break a line of the log; the error quotes nothing from it."""
    with pytest.raises(CertificateUnknownError) as caught:
        name_in({**TLS, **names})
    assert "break" not in str(caught.value)


def test_connection_without_a_certificate_names_no_one() -> None:
    """Plain text, or TLS with a server certificate alone."""
    insecure = {"transport_security_type": [b"insecure"], "security_level": [b"TSI_SECURITY_NONE"]}
    assert name_in(insecure) is None
    assert name_in({"transport_security_type": [b"ssl"]}) is None
