"""A server on this side of a link and a proxy on the other, with the files of deploy/proxies."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from deploy.certs import Authority
from hashfinder_client import Tls
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.network import Network
from tests.integration.samples import Samples
from tests.integration.server_process import ServerProcess, run_server

FILES = Path(__file__).parents[3] / "deploy/proxies"
COMMANDS = {
    "nginx": ("nginx", "-p", ".", "-c", "nginx.conf"),
    "envoy": ("envoy", "-c", "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1"),
}
PORT = 50050
KEEPALIVE_SECONDS = 2
READY_SECONDS = 30


@dataclass(frozen=True)
class Proxied:
    """A server behind a proxy. All packets of the proxy cross the link of `network`."""

    server: ServerProcess
    address: str
    tls: Tls
    network: Network

    @contextmanager
    def stub(self) -> Iterator[HashFinderStub]:
        """Yield a stub on a new connection through the proxy."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        credentials = self.tls.credentials()
        with grpc.secure_channel(self.address, credentials, options) as channel:
            yield HashFinderStub(channel)

    def causes(self) -> dict[str, float]:
        """Return how many searches the server has stopped, by cause."""
        moved = self.server.samples().moved("hashfinder_cancellations_total", Samples())
        counts: dict[str, float] = {}
        for labels, count in moved.items():
            cause = dict(labels)["cause"]
            counts[cause] = counts.get(cause, 0) + count
        return counts

    def searches(self) -> float:
        """Return how many searches the server has started."""
        name = "grpc_server_started_total"
        return self.server.metric(name, grpc_service="hash_name.HashFinder")


StartProxy = Callable[..., Proxied]


@pytest.fixture
def start_proxy(network: Network, tmp_path: Path) -> Iterator[StartProxy]:
    """Start a server and a proxy with its file from deploy/proxies, changed by `changes`."""
    with ExitStack() as stack:

        def start(
            name: str, *flags: str, changes: Mapping[str, str] | None = None, port: str = "0"
        ) -> Proxied:
            _write_files(tmp_path, network)
            tls = (
                *("--tls-certificate", str(tmp_path / "server.pem")),
                *("--tls-key", str(tmp_path / "server.key")),
                *("--tls-client-ca", str(tmp_path / "ca.pem")),
                *("--policy", str(FILES / "policy.toml")),
                *("--keepalive-seconds", str(KEEPALIVE_SECONDS)),
            )
            where = ("--host", network.server_address, "--port", port)
            server = stack.enter_context(run_server(*where, "--workers", "1", *tls, *flags))
            stack.enter_context(_proxy(name, tmp_path, network, server.address, changes or {}))
            address = f"{network.address}:{PORT}"
            proxied = Proxied(server, address, Tls(ca=tmp_path / "ca.pem"), network)
            with grpc.secure_channel(address, proxied.tls.credentials()) as channel:
                grpc.channel_ready_future(channel).result(READY_SECONDS)
            return proxied

        yield start


def _write_files(folder: Path, network: Network) -> None:
    """Write the files of `make certs` for the addresses of the test."""
    authority = Authority()
    (folder / "ca.pem").write_bytes(authority.pem)
    hosts = ("localhost", network.address, network.server_address)
    authority.server(*hosts).write(folder, "server")
    authority.client("test-client").write(folder, "client")


@contextmanager
def _proxy(
    name: str, folder: Path, network: Network, server: str, changes: Mapping[str, str]
) -> Iterator[None]:
    for file in FILES.iterdir():
        text = file.read_text(encoding="utf-8")
        host, _, port = server.rpartition(":")
        text = text.replace("127.0.0.1:50051", server)
        text = text.replace(
            "{address: 127.0.0.1, port_value: 50051}", f"{{address: {host}, port_value: {port}}}"
        )
        for old, new in changes.items():
            text = text.replace(old, new, 1)
        (folder / file.name).write_text(text, encoding="utf-8")
    program, *arguments = COMMANDS[name]
    path = shutil.which(program)
    assert path, f"{program} is not installed: make test-network installs Envoy, Debian has nginx"
    with (folder / f"{name}.log").open("w") as log:
        command = [*network.inside, path, *arguments]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()
        print((folder / f"{name}.log").read_text()[-3000:])  # noqa: T201  # of a test that failed
