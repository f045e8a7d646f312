"""The client's files of TLS, while they are replaced."""

from pathlib import Path

import grpc
import pytest

from deploy.certs import Authority
from hashfinder_client import Tls


@pytest.fixture
def files(tmp_path: Path) -> Tls:
    """Files that work."""
    certificate, key = Authority().client("me").write(tmp_path, "client")
    return Tls(certificate=certificate, key=key)


def test_files_replaced_while_they_are_read_are_read_again(
    files: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new certificate does not fit the old key: the new key is taken as well."""
    assert files.certificate is not None
    folder = Path(files.certificate).parent
    renewed = Authority().client("me")
    read_bytes = Path.read_bytes
    used: list[tuple[bytes | None, ...]] = []

    def read_while_replaced(path: Path) -> bytes:
        content = read_bytes(path)
        if path == files.certificate and content != renewed.certificate:
            renewed.write(folder, "client")
        return content

    monkeypatch.setattr(Path, "read_bytes", read_while_replaced)
    monkeypatch.setattr(grpc, "ssl_channel_credentials", lambda *given: used.append(given))
    files.credentials()
    _, key, chain = used[-1]
    assert (renewed.certificate, renewed.key) == (chain, key)


def test_files_that_do_not_fit_are_an_error(files: Tls) -> None:
    """At once: nobody replaces them."""
    assert files.key is not None
    Path(files.key).write_bytes(Authority().client("me").key)
    with pytest.raises(ValueError, match="is not the key of"):
        files.credentials()
