"""One trace from the client to the server, at a real OTLP receiver; and receivers that fail."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import grpc
import pytest

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.gateway_process import CURL, GatewayProcess, run_gateway, search
from tests.integration.server_process import ServerProcess, eventually, run_server
from tests.tracing.receiver import ReceivedSpan, Receiver, run_receiver, silent_receiver

pytestmark = pytest.mark.tracing

FIND = "hash_name.HashFinder/Find"
FIND_RANGE = "hash_name.HashFinder/FindRange"
ESTIMATE = "hash_name.HashFinder/Estimate"
GATEWAY_AND_SERVER = ("hashfinder-web", "hashfinder")
HOPELESS = HashNameRequest(desired_name="hopelesshopeless")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Return a receiver for the spans of every process in the test, sent without delay."""
    with run_receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        yield receiver


@pytest.fixture
def server(receiver: Receiver) -> Iterator[ServerProcess]:
    """Return a server with tracing."""
    del receiver
    with run_server("--tracing") as server:
        yield server


@pytest.fixture
def gateway(server: ServerProcess) -> Iterator[GatewayProcess]:
    """Return a gateway to it with tracing."""
    with run_gateway(server, "--tracing") as gateway:
        yield gateway


def parent_of_a_new_trace() -> tuple[str, str, str]:
    """Return a ``traceparent`` and its trace id and span id."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return f"00-{trace}-{span}-01", trace, span


def of_server(receiver: Receiver, trace: str = "", name: str = FIND) -> ReceivedSpan:
    """Return the server's span."""
    [span] = receiver.wait_for(f"hashfinder {name}", trace=trace)
    return span


def test_a_search_has_a_span_below_its_client(server: ServerProcess, receiver: Receiver) -> None:
    """It has the search's cost and kernel; its parent is that of ``traceparent``."""
    parent, trace, span = parent_of_a_new_trace()
    metadata = (("traceparent", parent), ("x-request-id", "the-request"))
    with server.stub() as stub:
        answer = stub.Find(HashNameRequest(desired_name="doc"), timeout=20, metadata=metadata)
    found = of_server(receiver, trace)
    assert span == found.parent
    assert {
        "rpc.system": "grpc",
        "rpc.service": "hash_name.HashFinder",
        "rpc.method": "Find",
        "rpc.grpc.status_code": 0,
        "hashfinder.kernel": server.kernel,
        "hashfinder.hashes": answer.position + 1,
        "hashfinder.queue_seconds": 0.0,
        "hashfinder.request_id": "the-request",
    } == found.attributes
    assert not found.is_error


def test_a_trace_goes_through_the_gateway(gateway: GatewayProcess, receiver: Receiver) -> None:
    """Each span is the parent of the next: browser, gateway, the RPC of the gateway, server."""
    parent, trace, span = parent_of_a_new_trace()
    response, _ = gateway.call("Find", {"desiredName": "doc"}, traceparent=parent)
    assert 200 == response.status
    hop, rpc, end = receiver.wait_for(
        "hashfinder-web connect/Find", f"hashfinder-web {FIND}", f"hashfinder {FIND}", trace=trace
    )
    assert (span, hop.span, rpc.span) == (hop.parent, rpc.parent, end.parent)
    assert hop.seconds >= rpc.seconds >= end.seconds
    assert not any(each.is_error for each in (hop, rpc, end))


def test_all_rpcs_of_a_call_are_below_its_span(gateway: GatewayProcess, receiver: Receiver) -> None:
    """Those of curl are an estimate and a search; none gets into the trace of another call."""
    for _ in range(2):
        parent, trace, span = parent_of_a_new_trace()
        words = [CURL, "--silent", "--show-error", "--fail", "-H", f"traceparent: {parent}"]
        subprocess.run([*words, f"{gateway.url}/find/doc"], check=True, timeout=40)
        hop, *spans = receiver.wait_for(
            "hashfinder-web find/FindRange",
            *(f"{who} {name}" for name in (ESTIMATE, FIND_RANGE) for who in GATEWAY_AND_SERVER),
            trace=trace,
        )
        asking, estimated, finding, found = spans
        assert span == hop.parent
        assert {hop.span} == {asking.parent, finding.parent}
        assert (asking.span, finding.span) == (estimated.parent, found.parent)


def test_a_disconnect_from_the_gateway_is_in_each_span(
    gateway: GatewayProcess, server: ServerProcess, receiver: Receiver
) -> None:
    """The gateway's span says that the client left, the server's that the search was cancelled."""
    with gateway.connection() as connection:
        connection.sendall(f"GET {search()} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        server.wait_for_searches(1)  # the estimate before it is a separate RPC
    hop, rpc, end = receiver.wait_for(
        "hashfinder-web find/FindRange", f"hashfinder-web {FIND_RANGE}", f"hashfinder {FIND_RANGE}"
    )
    assert (hop.span, rpc.span) == (rpc.parent, end.parent)
    assert hop.attributes["hashfinder.client_gone"]
    assert grpc.StatusCode.CANCELLED.value[0] == rpc.attributes["rpc.grpc.status_code"]
    assert "client_cancel" == end.attributes["hashfinder.cause"]
    assert end.attributes["hashfinder.hashes"] > 0


def test_each_end_has_its_cause(receiver: Receiver) -> None:
    """Cancel, deadline, budget, quota, overload and shutdown, as in the status and the metric."""
    flags = ("--maximum-searches", "1", "--maximum-waiting", "0", "--tracing")
    found = {}

    def ended(method: str, trace: str) -> tuple[object, object]:
        attributes = of_server(receiver, trace, f"hash_name.HashFinder/{method}").attributes
        return attributes.get("hashfinder.cause"), attributes.get("hashfinder.reason")

    def metadata() -> tuple[tuple[tuple[str, str]], str]:
        parent, trace, _ = parent_of_a_new_trace()
        return (("traceparent", parent),), trace

    with run_server(*flags) as server, server.stub() as stub:
        trailer, trace = metadata()
        with pytest.raises(grpc.RpcError):
            stub.Find(HOPELESS, timeout=0.3, metadata=trailer)
        found["deadline"] = ended("Find", trace)
        trailer, trace = metadata()
        with pytest.raises(grpc.RpcError):
            stub.Find(
                HashNameRequest(desired_name="hopelesshopeless", maximum_hashes=1000),
                metadata=trailer,
            )
        found["budget"] = ended("Find", trace)
        trailer, trace = metadata()
        stream = stub.FindRange(HOPELESS, metadata=trailer)
        server.wait_for_searches(1)
        refused, other = metadata()
        with pytest.raises(grpc.RpcError):
            stub.Find(HOPELESS, metadata=refused)
        found["overload"] = ended("Find", other)
        stream.cancel()
        found["client_cancel"] = ended("FindRange", trace)
        trailer, trace = metadata()
        stream = stub.FindRange(HOPELESS, metadata=trailer)
        server.wait_for_searches(1)
        server.send(signal.SIGTERM)
        with pytest.raises(grpc.RpcError):
            list(stream)
        assert 0 == server.wait()
        found["shutdown"] = ended("FindRange", trace)
    assert {
        "deadline": ("deadline", None),
        "budget": ("budget", "HASH_BUDGET_EXHAUSTED"),
        "overload": ("overload", "SERVER_OVERLOADED"),
        "client_cancel": ("client_cancel", None),
        "shutdown": ("shutdown", "SERVER_DRAINING"),
    } == found


def test_a_used_up_quota_is_a_cause(receiver: Receiver) -> None:
    """The span has the hashes that were charged."""
    flags = ("--client-hash-rate", "1000", "--client-hash-burst", "100000", "--tracing")
    with run_server(*flags) as server, server.stub() as stub, pytest.raises(grpc.RpcError):
        stub.Find(HOPELESS, timeout=20)
    attributes = of_server(receiver).attributes
    assert "quota" == attributes["hashfinder.cause"]
    assert attributes["hashfinder.hashes"] > 0


CLIENT = """
import sys
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
import asyncio
from contextlib import suppress
from hashfinder_client import AsyncFinder, Finder, StoppedError

trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))

async def search(target, name):
    async with AsyncFinder(target, timeout=20) as finder:
        for ask in (finder.estimate, finder.find):
            with suppress(StoppedError):
                await ask(name)

_, target, name, kind = sys.argv
with trace.get_tracer("test").start_as_current_span("the program"):
    if kind == "asyncio":
        asyncio.run(search(target, name))
    else:
        with Finder(target, timeout=20) as finder:
            for ask in (finder.estimate, finder.find):
                with suppress(StoppedError):
                    ask(name)
trace.get_tracer_provider().shutdown()
"""


def run_client(server: ServerProcess, name: str, kind: str) -> None:
    """Run a program that traces, named "program", and that asks for an estimate and a search."""
    subprocess.run(
        [sys.executable, "-c", CLIENT, server.address, name, kind],
        check=True,
        timeout=40,
        env={**os.environ, "OTEL_SERVICE_NAME": "program"},
    )


@pytest.mark.parametrize("kind", ["asyncio", "threads"])
def test_a_program_that_traces_has_spans_of_its_rpcs(
    server: ServerProcess, receiver: Receiver, kind: str
) -> None:
    """Each span is the parent of the next: program, client library, server."""
    run_client(server, "doc", kind)
    program, *rpcs = receiver.wait_for(
        "program the program",
        *(f"{who} {name}" for name in (ESTIMATE, FIND_RANGE) for who in ("program", "hashfinder")),
    )
    assert {program.trace} == {each.trace for each in rpcs}
    asking, estimated, finding, found = rpcs
    assert {program.span} == {asking.parent, finding.parent}
    assert (asking.span, finding.span) == (estimated.parent, found.parent)
    assert not any(each.is_error for each in rpcs)
    assert server.kernel == finding.attributes["hashfinder.kernel"]


@pytest.mark.parametrize("kind", ["asyncio", "threads"])
def test_the_span_of_a_refused_rpc_says_why(
    server: ServerProcess, receiver: Receiver, kind: str
) -> None:
    """An error of its client, and none of the server."""
    run_client(server, "no name!", kind)
    names = (
        f"{who} {name}" for who in ("program", "hashfinder") for name in (ESTIMATE, FIND_RANGE)
    )
    spans = receiver.wait_for(*names)
    assert [True, True, False, False] == [each.is_error for each in spans]
    assert {"INVALID_REQUEST"} == {each.attributes["hashfinder.reason"] for each in spans}


def test_nothing_is_sent_where_the_sdk_is_disabled(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTEL_SDK_DISABLED is respected, and OTEL_SERVICE_NAME names the service."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "named")
    with run_server("--tracing", env={"OTEL_SDK_DISABLED": "true"}) as server:
        with server.stub() as stub:
            stub.Find(HashNameRequest(desired_name="doc"), timeout=20)
        with run_server("--tracing") as other, other.stub() as stub:
            stub.Find(HashNameRequest(desired_name="doc"), timeout=20)
        receiver.wait_for(f"named {FIND}")
    assert 1 == receiver.count


@pytest.mark.parametrize("kind", ["silent", "refusing"])
def test_a_failing_receiver_affects_neither_searches_nor_drain(kind: str) -> None:
    """Searches are answered, and the process exits soon, with code 0."""
    with silent_receiver() as silent:
        endpoint = silent if kind == "silent" else "http://127.0.0.1:1"
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        with run_server("--tracing", env=env) as server:
            server.faults_expected = True  # the exporter logs its own errors
            with server.stub() as stub:
                for _ in range(200):
                    stub.Find(HashNameRequest(desired_name="doc"), timeout=20)
            server.send(signal.SIGTERM)
            began = time.monotonic()
            assert 0 == server.wait()
            assert time.monotonic() - began < 8  # the drain, and a second


def test_a_gateway_ends_beside_a_silent_receiver(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its last spans are lost."""
    with silent_receiver() as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", silent)
        with run_gateway(server, "--tracing") as gateway:
            response, _ = gateway.call("Find", {"desiredName": "doc"})
            assert 200 == response.status
            gateway.process.send_signal(signal.SIGTERM)
            eventually(lambda: gateway.process.poll() is not None, "the gateway ends", 8)
            assert 0 == gateway.process.returncode


@pytest.mark.parametrize("program", ["hashfinder", "hashfinder_web"])
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1"),
    ],
)
def test_a_variable_that_cannot_be_used_is_an_error_without_a_traceback(
    program: str, variable: str, value: str
) -> None:
    """The exit code is 1, and one log line says whose variables are wrong."""
    done = subprocess.run(
        [sys.executable, "-m", program, "--tracing", "--port=0"],
        env={**os.environ, variable: value, f"{program.upper()}_LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert 1 == done.returncode
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    [line] = [line for line in lines if line["event"] == "failed"]
    assert line["reason"].startswith("--tracing: OpenTelemetry cannot use its variables, OTEL_")
    assert "exception" not in line


def test_nothing_is_imported_without_tracing() -> None:
    """This holds for server, gateway and client library, although the packages are installed."""
    names = ("hashfinder.app", "hashfinder_web.app", "hashfinder_client")
    code = (
        f"import sys, {', '.join(names)}\nprint(any('telemetry' in each for each in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=40
    )
    assert "False\n" == done.stdout
