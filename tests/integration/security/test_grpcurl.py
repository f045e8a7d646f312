"""The README's grpcurl commands with certificates."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from deploy.certs import Authority
from tests.integration.server_process import ServerProcess

pytestmark = pytest.mark.tools

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^grpcurl -cacert .*$", README, re.MULTILINE)


def grpcurl(command: str, server: ServerProcess, certs: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the README with a server of the tests."""
    words = [
        word.replace(".certs", str(certs)).replace(
            "localhost:50051", server.address.replace("127.0.0.1", "localhost")
        )
        for word in shlex.split(command)
    ]
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def certs(tmp_path: Path, authority: Authority) -> Path:
    """The client's files, with the names of `make certs`."""
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    authority.client("test-client").write(tmp_path, "client")
    return tmp_path


def test_without_a_client_certificate(
    tls_server: ServerProcess, mutual_server: ServerProcess, certs: Path
) -> None:
    """It returns a result; a server that requires a certificate refuses it."""
    first, _ = COMMANDS
    ended = grpcurl(first, tls_server, certs)
    assert (0, "") == (ended.returncode, ended.stderr)
    assert "hashed_name" in ended.stdout
    assert 0 != grpcurl(first, mutual_server, certs).returncode


def test_with_a_client_certificate(mutual_server: ServerProcess, certs: Path) -> None:
    """It lists the services."""
    _, second = COMMANDS
    ended = grpcurl(second, mutual_server, certs)
    assert (0, "") == (ended.returncode, ended.stderr)
    assert "hash_name.HashFinder" in ended.stdout.splitlines()
