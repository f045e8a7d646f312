"""The real gateway as a separate process, and requests that can be abandoned in any way."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from tests.integration.program import Program
from tests.integration.samples import Samples, scrape
from tests.integration.server_process import ServerProcess, eventually

_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_ANSWER_SECONDS = 20.0
SERVICE_PATH = "/hash_name.HashFinder/"
CURL = shutil.which("curl") or "curl"
UNFINDABLE = "hopelessly"
"""A name that no search of a test finds."""


class GatewayProcess:
    """A running gateway."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        """Store the process and the file that its stderr goes to; wait until it serves."""
        self.process = process
        self._log = log
        eventually(
            lambda: process.poll() is not None or bool(self.logs("serving")),
            "the gateway serves",
            _START_SECONDS,
        )
        serving = self.logs("serving")
        assert serving, f"the gateway ended with {process.poll()}; the log: {log.read_text()}"
        host, _, port = serving[0]["http"].rpartition(":")
        self.address = (host.strip("[]"), int(port))
        self.url = f"http://{serving[0]['http']}"

    def logs(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the log lines so far, optionally those of one event. Every line must be JSON."""
        lines = self._log.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
        parsed = [json.loads(line) for line in lines]
        return [line for line in parsed if event is None or line["event"] == event]

    def samples(self) -> Samples:
        """Return the current metrics."""
        return scrape(f"{self.url}/metrics")

    def wait_for_calls(self, count: int) -> None:
        """Return when `count` calls are running."""
        name = "hashfinder_web_calls_active"
        eventually(
            lambda: scrape(f"{self.url}/metrics", name).value(name) == count,
            f"{count} calls under way",
            _ANSWER_SECONDS,
        )

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[HTTPResponse, bytes]:
        """Return the response to a request on a connection of its own, and its body."""
        connection = HTTPConnection(*self.address, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def call(
        self, method: str, message: dict[str, Any] | bytes, **headers: str
    ) -> tuple[HTTPResponse, Any]:
        """Make a unary call in JSON; return the response and the decoded body."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = SERVICE_PATH + method
        response, answer = self.request(
            "POST", path, body, {"content-type": "application/json"} | named
        )
        return response, json.loads(answer)

    def lines(self, path: str) -> tuple[int, list[dict[str, Any]]]:
        """Return the status and the lines of a GET request to ``/find/`` + `path`."""
        response, answer = self.request("GET", f"/find/{path}")
        return response.status, [json.loads(line) for line in answer.splitlines()]

    @contextmanager
    def connection(self, receive_buffer: int | None = None) -> Iterator[socket.socket]:
        """Yield a connection; with a small receive buffer, flow control stops the sender soon."""
        with socket.socket(_family(self.address[0])) as connection:
            if receive_buffer is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(self.address)
            yield connection


def get(path: str) -> bytes:
    """Return a GET request as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(method: str, message: dict[str, Any], *, stream: bool = False) -> bytes:
    """Return a call in JSON as the bytes of a POST request."""
    body = json.dumps(message).encode()
    kind = "application/json"
    if stream:
        kind, body = "application/connect+json", envelope(body)
    head = (
        f"POST {SERVICE_PATH}{method} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def envelope(body: bytes) -> bytes:
    """Return a message of a stream in its envelope."""
    return b"\0" + len(body).to_bytes(4, "big") + body


def envelopes(body: bytes) -> list[tuple[int, Any]]:
    """Return the flags and the JSON of each envelope in the body of a stream."""
    found = []
    while body:
        length = int.from_bytes(body[1:5], "big")
        found.append((body[0], json.loads(body[5 : 5 + length])))
        body = body[5 + length :]
    return found


def search(name: str = UNFINDABLE, **parameters: object) -> str:
    """Return the path of a search by GET; parameters are written with dashes."""
    query = "&".join(f"{key.replace('_', '-')}={value}" for key, value in parameters.items())
    return f"/find/{quote(name, safe='')}?{query}"


@contextmanager
def run_gateway(
    server: ServerProcess | str,
    *flags: str,
    prefix: tuple[str, ...] = (),
    program: Program | None = None,
) -> Iterator[GatewayProcess]:
    """Run a gateway to `server` on a free port; stop it afterwards, unless the test already has.

    `prefix` is a command that starts it. Without one, `program` forks it, if it is given. The test
    fails if the gateway dies unexpectedly or logs an error.
    """
    target = [f"--server={server}"]
    if isinstance(server, ServerProcess):
        target = [f"--server={server.address}", f"--server-metrics={server.metrics_url}"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("HASHFINDER_")}
    words = ["--port=0", "--drain-grace=0", *target, *flags]
    with TemporaryDirectory() as folder:
        log = Path(folder, "stderr.jsonl")
        with log.open("w") as stderr:
            if program and not prefix:
                process = program.start(words, own, stdout=subprocess.DEVNULL, stderr=stderr)
            else:
                command = [*prefix, sys.executable, "-m", "hashfinder_web", *words]
                process = subprocess.Popen(
                    command, stdout=subprocess.DEVNULL, stderr=stderr, text=True, env=own
                )
        try:
            gateway = GatewayProcess(process, log)
            yield gateway
            if process.returncode is None:
                assert process.poll() is None, f"the gateway died unexpectedly: {gateway.logs()}"
                process.send_signal(signal.SIGTERM)
                assert process.wait(_STOP_SECONDS) == 0, gateway.logs()
            faults = [line for line in gateway.logs() if line["level"] in {"error", "critical"}]
            assert not faults
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


RunGateway = Callable[..., AbstractContextManager[GatewayProcess]]


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
