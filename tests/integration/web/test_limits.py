"""Which requests are allowed, their limits, and the headers of every response."""

import pytest

from tests.integration.gateway_process import (
    SERVICE_PATH,
    GatewayProcess,
    RunGateway,
    get,
    post,
    search,
)
from tests.integration.samples import Samples
from tests.integration.server_process import ServerProcess

_FIND = SERVICE_PATH + "Find"
_JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost:8080"}, 200),
        ({"host": "[::1]:8080"}, 200),
        ({"host": "10.0.0.7"}, 200),
        ({"host": "LOCALHOST"}, 200),
        ({"host": "search.example:8080"}, 200),
        ({"host": "attacker.example"}, 421),
        ({"host": "localhost.attacker.example"}, 421),
        ({"host": "127.0.0.1.attacker.example"}, 421),
        ({"host": ""}, 421),
        ({"host": "[::1].attacker.example"}, 421),
        ({"host": "127.0.0.1:80.attacker.example"}, 421),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none", "user-agent": "Mozilla/5.0"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"host": "localhost:1", "origin": "http://localhost:1"}, 200),
        ({"host": "localhost:1", "origin": "http://localhost:2"}, 403),
        ({"origin": "https://attacker.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "https://attacker.example"}, 403),
        ({"user-agent": "Mozilla/5.0"}, 403),
        ({"user-agent": "curl/8.0"}, 200),
    ],
)
def test_searches_are_allowed_from_our_own_page_and_programs(
    named_gateway: GatewayProcess, headers: dict[str, str], status: int
) -> None:
    """Pages of other sites cannot start one, whatever name they use for the gateway."""
    response, _ = named_gateway.request("GET", "/find/dad", headers=headers)

    assert status == response.status


def test_a_page_of_another_site_cannot_post(gateway: GatewayProcess) -> None:
    """There are no CORS headers either."""
    headers = {"origin": "https://attacker.example", **_JSON}
    response, _ = gateway.request("POST", _FIND, b"{}", headers)
    assert 403 == response.status

    preflight, _ = gateway.request("OPTIONS", _FIND, headers=headers)
    assert 403 == preflight.status
    assert not [name for name in preflight.headers if name.lower().startswith("access-control")]


def test_a_browser_without_fetch_metadata_may_post(gateway: GatewayProcess) -> None:
    """On an untrustworthy address a browser sends only Origin with a POST."""
    origin = gateway.url
    headers = {"origin": origin, "user-agent": "Mozilla/5.0", **_JSON}
    response, _ = gateway.request("POST", _FIND, b'{"desiredName":"dad"}', headers)

    assert 200 == response.status


def test_every_response_has_the_security_headers(gateway: GatewayProcess) -> None:
    """Errors have them as well."""
    answers = [
        gateway.request("GET", "/"),
        gateway.request("GET", "/nothing"),
        gateway.request("GET", "/find/dad"),
        gateway.request("GET", "/metrics"),
        gateway.request("POST", _FIND, b"{}", _JSON),
        gateway.request("GET", "/", headers={"host": "attacker.example"}),
    ]

    assert [200, 404, 200, 200, 400, 421] == [response.status for response, _ in answers]
    for response, _ in answers:
        assert response.headers["content-security-policy"].startswith("default-src 'none'; ")
        assert "nosniff" == response.headers["x-content-type-options"]
        assert "same-origin" == response.headers["cross-origin-resource-policy"]
        assert "no-referrer" == response.headers["referrer-policy"]
        assert "server" not in response.headers


def test_the_page_is_served_and_revalidated(gateway: GatewayProcess) -> None:
    """A browser asks whether the files have changed."""
    response, page = gateway.request("GET", "/")
    assert "text/html; charset=utf-8" == response.headers["content-type"]
    assert b"<title>HashFinder</title>" in page

    tag = {"if-none-match": response.headers["etag"]}
    assert 304 == gateway.request("GET", "/", headers=tag)[0].status
    response, head = gateway.request("HEAD", "/index.html")
    assert (200, b"", str(len(page))) == (response.status, head, response.headers["content-length"])
    for path in ("/../config.py", "/static/index.html", "/%2e%2e/config.py", "//"):
        assert 404 == gateway.request("GET", path)[0].status
    assert 405 == gateway.request("POST", "/", b"")[0].status
    assert 405 == gateway.request("HEAD", "/find/dad")[0].status


def test_a_body_beyond_the_limit_is_refused(gateway: GatewayProcess) -> None:
    """It is refused before all of it was received."""
    response, answer = gateway.request("POST", _FIND, b" " * (128 * 1024 + 1), _JSON)

    assert (413, b"the body has more than 131072 bytes\n") == (response.status, answer)
    assert 413 == gateway.request("GET", "/find/dad", b"a body")[0].status


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (414, get("/" + "a" * 20_000)),
        (431, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000),
        (400, b"GET / HTTP/1.1\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: attacker.example\r\n\r\n"),
        (400, b"\x16\x03\x01\x02\x00\x01\x00"),
        (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ],
    ids=["path", "headers", "endless header", "no host", "two hosts", "TLS", "HTTP/2"],
)
def test_invalid_http_is_refused_and_closed(
    gateway: GatewayProcess, status: int, request_: bytes
) -> None:
    """The status is 4xx, and nothing is logged."""
    with gateway.connection() as connection:
        connection.sendall(request_)
        answer = b""
        while part := connection.recv(65536):
            answer += part

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert not [line for line in gateway.logs() if line["level"] != "info"]


def test_garbage_after_a_refusal_closes_the_connection(gateway: GatewayProcess) -> None:
    """A body that turns invalid after its response was sent is not an error of ours."""
    with gateway.connection() as connection:
        connection.sendall(
            f"POST {_FIND} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        assert b" 415 " in connection.recv(65536)
        connection.sendall(b"no chunk\r\n")
        while connection.recv(65536):
            pass

    assert not [line for line in gateway.logs() if line["level"] != "info"]


def test_searches_beyond_the_limit_are_refused_with_a_time_to_retry(
    run_gateway: RunGateway,
    module_server: ServerProcess,
) -> None:
    """The error is that of a full server; the limit is free again when a client disconnects."""
    with run_gateway(module_server, "--maximum-searches=1") as gateway:
        with gateway.connection() as connection:
            connection.sendall(get(search()))
            module_server.wait_for_searches(1)

            status, lines = gateway.lines("dad")
            response, error = gateway.call("Find", {"desiredName": "dad"})

            assert (429, "SERVER_OVERLOADED") == (status, lines[-1]["end"]["reason"])
            assert 1.0 == lines[-1]["end"]["retryAfterSeconds"]
            assert (429, "resource_exhausted") == (response.status, error["code"])
        gateway.wait_for_calls(0)
        assert 200 == gateway.lines("dad")[0]


def test_the_longest_deadline_holds_for_every_search(
    run_gateway: RunGateway, module_server: ServerProcess
) -> None:
    """It also applies to searches that ask for more, or for none."""
    with run_gateway(module_server, "--maximum-seconds=1") as gateway:
        _, lines = gateway.lines("hopelessly")
        assert "deadline_exceeded" == lines[-1]["end"]["code"]
        _, error = gateway.call(
            "Find", {"desiredName": "hopelessly"}, connect_timeout_ms="9999999999"
        )
        assert "deadline_exceeded" == error["code"]


def test_metrics_are_our_own_and_those_shown_by_the_page(
    gateway: GatewayProcess, module_server: ServerProcess
) -> None:
    """The server's process metrics are left out."""
    gateway.lines("dad")
    with gateway.connection() as connection:
        connection.sendall(post("Find", {"desiredName": "hopelessly"}))
        module_server.wait_for_searches(1)
        gateway.wait_for_calls(1)
    gateway.wait_for_calls(0)
    samples = gateway.samples()

    names = {name for name, _ in samples}
    assert {"hashfinder_hashes_total", "hashfinder_cancellations_total"} < names
    assert not [name for name in names if name.startswith(("process_", "grpc_", "python_"))]
    assert samples.value("hashfinder_web_calls_total", protocol="find", code="ok") >= 1
    assert samples.value("hashfinder_web_clients_gone_total", protocol="connect") >= 1
    assert samples.value("hashfinder_web_process_resident_memory_bytes") > 1e6
    assert samples.value("hashfinder_web_connections") >= 1


def test_metrics_of_an_unreachable_server_are_left_out(run_gateway: RunGateway) -> None:
    """The gateway's own are still there."""
    with run_gateway("127.0.0.1:1", "--server-metrics=http://127.0.0.1:1/metrics") as gateway:
        samples: Samples = gateway.samples()

        assert 0 == samples.value("hashfinder_web_calls_active")
        assert "hashfinder_workers" not in {name for name, _ in samples}
