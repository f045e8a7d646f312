"""What HTTP allows beyond what browsers and curl send by themselves, and what becomes of it."""

import subprocess
import sys

import pytest

from tests.integration.gateway_process import SERVICE_PATH, GatewayProcess, RunGateway, get
from tests.integration.server_process import ServerProcess

_HOST = "Host: localhost:80"
_FOUND = b'"message": "found"'
_MATCH = b'"position": "1806"'
_JSON = (_HOST, "Content-Type: application/json")
_CHUNKED = "Transfer-Encoding: chunked"
_CHUNKS = 'c;x=y\r\n{"desiredNam\r\nb\r\ne":"dad"}  \r\n0\r\nX: y\r\n\r\n'
_POST = f"POST {SERVICE_PATH}Find HTTP/1.1"


def _request(line: str, *headers: str, body: str = "") -> bytes:
    return "\r\n".join([line, *headers, "Connection: close", "", body]).encode()


def _answer(gateway: GatewayProcess, request: bytes) -> bytes:
    """Return all that comes until the gateway ends the connection."""
    with gateway.connection() as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


@pytest.mark.parametrize(
    ("request_", "status", "end"),
    [
        (_request("GET /find/dad HTTP/1.0", _HOST), 200, _FOUND),
        (_request("GET /find/dad HTTP/1.0"), 421, b"does not go by the name in Host"),
        (_request("GET /find/dad HTTP/1.1", "Host: [::1]:80"), 200, _FOUND),
        (_request("GET /find/d\xe4d HTTP/1.1", _HOST), 400, b"Invalid HTTP request"),
        (_request("GET /find/dad HTTP/1.1", _HOST, "Upgrade: h2c"), 200, _FOUND),
        (_request("GET /find/dad HTTP/1.1", _HOST, "Upgrade: websocket"), 200, _FOUND),
        (_request("HEAD /find/dad HTTP/1.1", _HOST), 405, b"allow: GET\r\n"),
        (_request("OPTIONS /find/dad HTTP/1.1", _HOST), 405, b"allow: GET\r\n"),
        (_request("OPTIONS /metrics HTTP/1.1", _HOST), 405, b"allow: GET, HEAD\r\n"),
        (
            _request("GET http://localhost:80/find/dad?maximum-hashes=9999 HTTP/1.1", _HOST),
            200,
            _FOUND,
        ),
        (_request("GET HTTPS://LOCALHOST HTTP/1.1", _HOST), 200, b"<!doctype html>"),
        (_request("GET http://localhost/find/dad HTTP/1.1", "Host: foreign"), 200, _FOUND),
        (_request("GET http://localhost/find/dad HTTP/1.0"), 200, _FOUND),
        (_request("GET http://foreign/find/dad HTTP/1.1", _HOST), 421, b"does not go by the name"),
        (
            _request("GET http://localhost/find/dad HTTP/1.1", "Host: evil", "Origin: http://evil"),
            *(403, b"requests from pages of other sites"),
        ),
        (_request("GET http://x@localhost/find/dad HTTP/1.1", _HOST), 421, b"does not go by"),
        (_request("GET http:///find/dad HTTP/1.1", _HOST), 400, b"must be a path, or a URL"),
        (_request("GET ftp://localhost/ HTTP/1.1", _HOST), 400, b"must be a path, or a URL"),
        (_request("GET find/dad HTTP/1.1", _HOST), 400, b"must be a path, or a URL"),
        (_request("GET * HTTP/1.1", _HOST), 400, b"must be a path, or a URL"),
        (_request("OPTIONS * HTTP/1.1", _HOST), 405, b"allow: GET, HEAD, POST\r\n"),
        (_request("TRACE / HTTP/1.1", _HOST), 405, b"allow: GET, HEAD\r\n"),
        (_request("CONNECT x:1 HTTP/1.1", _HOST), 405, b"allow: GET, HEAD, POST\r\n"),
        (_request(_POST, *_JSON, _CHUNKED, body=_CHUNKS), 200, _MATCH),
        (_request(_POST, *_JSON, _CHUNKED, body="x\r\n"), 400, b"Invalid HTTP request"),
        (_request(_POST, *_JSON, "Transfer-Encoding: gzip", body="x"), 400, b"Invalid HTTP"),
        (_request(_POST, *_JSON, "Content-Length: -1", body="x"), 400, b"Invalid HTTP"),
    ],
)
def test_unusual_requests(
    gateway: GatewayProcess, request_: bytes, status: int, end: bytes
) -> None:
    """Answered as HTTP has it, or refused with a status; never a fault of the gateway's."""
    answer = _answer(gateway, request_)

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert end in answer
    assert not [line for line in gateway.logs() if line["level"] != "info"]


def test_body_that_waits_to_be_asked_for(gateway: GatewayProcess) -> None:
    """`Expect: 100-continue`, as curl sends for large bodies."""
    body = b'{"desiredName":"dad"}'
    length = f"Content-Length: {len(body)}"
    with gateway.connection() as connection:
        connection.sendall(_request(_POST, *_JSON, "Expect: 100-continue", length))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("request_", [_POST, "GET /find/dad HTTP/1.1"])
def test_a_client_that_leaves_within_its_body_starts_nothing(
    gateway: GatewayProcess, module_server: ServerProcess, request_: str
) -> None:
    """It is no fault either: nothing is in the log of gateway or server."""
    with gateway.connection() as connection:
        connection.sendall(_request(request_, *_JSON, "Content-Length: 20", body="{"))
    assert b"ok\n" in _answer(gateway, _request("GET /healthz HTTP/1.1", _HOST))

    assert not [line for line in gateway.logs() if line["level"] != "info"]
    assert 0 == module_server.metric("hashfinder_searches_active")


def test_requests_that_come_together_are_answered_in_turn(gateway: GatewayProcess) -> None:
    """A client need not wait for an answer, where all it sends is there at once."""
    last = _request("GET /find/dad HTTP/1.1", _HOST)
    answer = _answer(gateway, get("/healthz") + get("/readyz") + last)

    assert 3 == answer.count(b"HTTP/1.1 200 ")
    assert _FOUND in answer


def test_gateway_on_an_ipv6_address(run_gateway: RunGateway, module_server: ServerProcess) -> None:
    """Reached, checked, and searched through like any other."""
    with run_gateway(module_server, "--host=::1") as gateway:
        host, port = gateway.address
        check = ["--host", host, "--port", str(port), "--check", "readyz"]
        subprocess.run([sys.executable, "-m", "hashfinder_web", *check], check=True, timeout=40)
        _, lines = gateway.lines("dad")

        assert "ok" == lines[-1]["end"]["code"]
        assert gateway.url == f"http://[::1]:{port}"
