"""The tests' own CA, and servers with certificates from it."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from deploy.certs import Authority, Pair
from hashfinder_cli.app import app
from hashfinder_cli.signals import STOP_SIGNALS
from tests.integration.scripted import Run
from tests.integration.server_process import ServerProcess, run_server

_OF_CORE = re.compile(r"[IWE]\d{4} ")
StartTls = Callable[..., ServerProcess]


class TlsFolder:
    """The certificate files of one server."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        """Write the CA, and its certificate for 127.0.0.1."""
        self.path = folder
        self.ca = folder / "ca.pem"
        self.client_ca = folder / "clients.pem"
        self.ca.write_bytes(authority.pem)
        self.client_ca.write_bytes(authority.pem)
        self.certificate, self.key = authority.server().write(folder, "server")

    @property
    def flags(self) -> tuple[str, ...]:
        """The server's flags for TLS."""
        return ("--tls-certificate", str(self.certificate), "--tls-key", str(self.key))

    @property
    def mutual(self) -> tuple[str, ...]:
        """The server's flags for mutual TLS."""
        return (*self.flags, "--tls-client-ca", str(self.client_ca))

    def replace(self, pair: Pair) -> None:
        """Replace certificate and key, each in one step, as cert-manager does."""
        certificate, key = pair.write(self.path, "next")
        certificate.rename(self.certificate)
        key.rename(self.key)


def credentials(trusted: bytes, own: Pair | None = None) -> grpc.ChannelCredentials:
    """Return a client's credentials, with its own certificate if there is one."""
    if own is None:
        return grpc.ssl_channel_credentials(trusted)
    return grpc.ssl_channel_credentials(trusted, own.key, own.certificate)


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The CA of all servers and clients, except in tests that need another one."""
    return Authority()


@pytest.fixture
def folder(tmp_path: Path, authority: Authority) -> TlsFolder:
    """Certificate files for one test."""
    return TlsFolder(tmp_path, authority)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> TlsFolder:
    """The certificate files of the shared servers."""
    return TlsFolder(tmp_path_factory.mktemp("tls"), authority)


@pytest.fixture(scope="session")
def tls_server(shared_folder: TlsFolder) -> Iterator[ServerProcess]:
    """A server with TLS that no test stops or changes."""
    with run_server("--workers", "1", *shared_folder.flags) as server:
        yield server


@pytest.fixture(scope="session")
def mutual_server(shared_folder: TlsFolder) -> Iterator[ServerProcess]:
    """A server that requires client certificates; no test stops or changes it."""
    with run_server("--workers", "1", *shared_folder.mutual) as server:
        yield server


@pytest.fixture(scope="session")
def plain_server() -> Iterator[ServerProcess]:
    """A server without TLS; no test stops or changes it."""
    with run_server("--workers", "1") as server:
        yield server


@pytest.fixture
def start() -> Iterator[StartTls]:
    """Start servers with TLS for one test."""
    with ExitStack() as servers:
        yield lambda *flags: servers.enter_context(run_server("--workers", "1", *flags))


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run `hashfinder` in this process, without the developer's environment variables."""
    for name in [name for name in os.environ if name.startswith("HASHFINDER_")]:
        monkeypatch.delenv(name)
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        with pytest.raises(SystemExit) as end:
            app(arguments, prog_name="hashfinder")
        assert isinstance(end.value.code, int)
        stdout, stderr = capfd.readouterr()
        # The program itself silences gRPC's core, which is too late in this process.
        own = [line for line in stderr.splitlines(keepends=True) if not _OF_CORE.match(line)]
        return subprocess.CompletedProcess(arguments, end.value.code, stdout, "".join(own))

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)
