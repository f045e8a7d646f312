"""What the gateway forwards besides the call: trace, request id, deadline, and the client."""

from collections.abc import Iterator

import grpc
import pytest

from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse, SearchEstimate
from hashfinder_proto.hash_name_pb2_grpc import HashFinderServicer
from tests.integration.gateway_process import GatewayProcess, RunGateway
from tests.integration.scripted import Serve

_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class _Recorder(HashFinderServicer):
    """Answers every RPC, and records its metadata."""

    def __init__(self) -> None:
        self.metadata: list[dict[str, str]] = []
        self.peers: list[str] = []
        self.seconds: list[float] = []

    def _record(self, context: grpc.ServicerContext) -> None:
        self.metadata.append({name: str(value) for name, value in context.invocation_metadata()})
        self.peers.append(context.peer())
        self.seconds.append(context.time_remaining() or 0.0)

    def Find(self, request: HashNameRequest, context: grpc.ServicerContext) -> HashNameResponse:
        self._record(context)
        if request.desired_name == "fault":
            context.abort(grpc.StatusCode.INTERNAL, "/srv/secret/path.py: boom")
        return HashNameResponse(secret="", hashed_name="x", position=0)

    def FindRange(
        self, request: HashNameRequest, context: grpc.ServicerContext
    ) -> Iterator[HashNameResponse]:
        self._record(context)
        yield HashNameResponse(secret="", hashed_name="x", position=0)

    def Estimate(self, request: HashNameRequest, context: grpc.ServicerContext) -> SearchEstimate:
        self._record(context)
        if request.desired_name == "old":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        return SearchEstimate(chance=1)


def test_valid_trace_and_request_id_are_forwarded(run_gateway: RunGateway, serve: Serve) -> None:
    """Other headers are not."""
    recorder = _Recorder()
    with run_gateway(serve(recorder)) as gateway:
        good = {"traceparent": _TRACE, "tracestate": "a=1", "x-request-id": "mine"}
        gateway.request("GET", "/find/dad", headers={**good, "authorization": "Bearer x"})
        bad = {"traceparent": "00-nonsense", "tracestate": "a=1", "x-request-id": "not one"}
        response, _ = gateway.request("GET", "/find/dad", headers=bad)

    estimate, find, _, other = recorder.metadata
    for metadata in (estimate, find):
        assert good == {name: metadata.get(name) for name in good}
        assert "authorization" not in metadata
    assert "traceparent" not in other
    assert "tracestate" not in other
    assert response.headers["x-request-id"] == other["x-request-id"] != "not one"


def test_deadline_is_forwarded(run_gateway: RunGateway, serve: Serve) -> None:
    """It is reduced by the time that has passed; without one, the longest applies."""
    recorder = _Recorder()
    with run_gateway(serve(recorder), "--maximum-seconds=100") as gateway:
        gateway.call("Find", {"desiredName": "dad"}, connect_timeout_ms="20000")
        gateway.call("Find", {"desiredName": "dad"})

    first, second = recorder.seconds
    assert 10 < first < 20.3
    assert 80 < second < 101.5


@pytest.mark.parametrize("kind", ["unary", "lines"])
def test_each_connection_or_label_is_a_client(
    run_gateway: RunGateway, serve: Serve, kind: str
) -> None:
    """The server sees one connection per client."""
    recorder = _Recorder()

    def ask(gateway: GatewayProcess, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if kind == "lines":
            gateway.request("GET", "/find/dad", headers=named)
        else:
            gateway.call("Find", {"desiredName": "dad"}, **headers)

    with run_gateway(serve(recorder)) as gateway:
        for headers in ({}, {}, {"hashfinder_client": "a"}, {"hashfinder_client": "a"}):
            ask(gateway, **headers)
        ask(gateway, hashfinder_client="b")
        ask(gateway, hashfinder_client="no label!")

    peers = list(dict.fromkeys(recorder.peers))
    each = 2 if kind == "lines" else 1
    assert [each, each, 2 * each, each, each] == [recorder.peers.count(peer) for peer in peers]


def test_foreign_error_texts_are_not_forwarded(run_gateway: RunGateway, serve: Serve) -> None:
    """Such as the text of a server or proxy that is not ours."""
    with run_gateway(serve(_Recorder())) as gateway:
        response, error = gateway.call("Find", {"desiredName": "fault"})

    assert (500, "internal") == (response.status, error["code"])
    assert "the request failed on its way to the server" == error["message"]


def test_a_server_without_estimates_gets_classic_searches_alone(
    run_gateway: RunGateway, serve: Serve
) -> None:
    """It would misread any other search."""
    with run_gateway(serve(_Recorder())) as gateway:
        status, lines = gateway.lines("old")
        assert (200, ["result", "end"]) == (status, [next(iter(line)) for line in lines])

        status, lines = gateway.lines("old?algorithm=sha256")
        assert (501, "unimplemented") == (status, lines[-1]["end"]["code"])


def test_clients_are_named_if_the_server_trusts_the_gateway(
    run_gateway: RunGateway, serve: Serve
) -> None:
    """By address and label; what a client claims about itself is not forwarded."""
    recorder = _Recorder()
    with run_gateway(serve(recorder), "--on-behalf-of") as gateway:
        forged = {"hashfinder_on_behalf_of": "admin"}
        gateway.call("Find", {"desiredName": "dad"}, **forged)
        gateway.call("Find", {"desiredName": "dad"}, hashfinder_client="a")

    users = [each["hashfinder-on-behalf-of"] for each in recorder.metadata]
    assert ["127.0.0.1", "127.0.0.1/a"] == users
    assert 1 == len(set(recorder.peers))


def test_clients_are_not_named_by_default(run_gateway: RunGateway, serve: Serve) -> None:
    """They cannot name themselves either."""
    recorder = _Recorder()
    with run_gateway(serve(recorder)) as gateway:
        gateway.call("Find", {"desiredName": "dad"}, hashfinder_on_behalf_of="admin")

    assert "hashfinder-on-behalf-of" not in recorder.metadata[0]
