"""One trace from the client to the server, at a real OTLP receiver; and receivers that fail."""

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
from tests.integration.gateway_process import GatewayProcess, run_gateway, search
from tests.integration.server_process import ServerProcess, eventually, run_server
from tests.tracing.receiver import ReceivedSpan, Receiver, run_receiver, silent_receiver

pytestmark = pytest.mark.tracing

FIND = "hash_name.HashFinder/Find"
FIND_RANGE = "hash_name.HashFinder/FindRange"
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
    """Each span is the parent of the next: browser, gateway, server."""
    parent, trace, span = parent_of_a_new_trace()
    response, _ = gateway.call("Find", {"desiredName": "doc"}, traceparent=parent)
    assert 200 == response.status
    hop, end = receiver.wait_for("hashfinder-web connect/Find", f"hashfinder {FIND}", trace=trace)
    assert (span, hop.span) == (hop.parent, end.parent)
    assert hop.seconds >= end.seconds


def test_a_disconnect_from_the_gateway_is_in_each_span(
    gateway: GatewayProcess, server: ServerProcess, receiver: Receiver
) -> None:
    """The gateway's span says that the client left, the server's that the search was cancelled."""
    with gateway.connection() as connection:
        connection.sendall(f"GET {search()} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        server.wait_for_searches(1)  # the estimate before it is a separate RPC
    hop, end = receiver.wait_for("hashfinder-web find/FindRange", f"hashfinder {FIND_RANGE}")
    assert hop.span == end.parent
    assert hop.attributes["hashfinder.client_gone"]
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
from hashfinder_client import AsyncFinder, Finder

trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))

async def search():
    async with AsyncFinder(sys.argv[1]) as finder:
        await finder.find("doc", timeout=20)

with trace.get_tracer("test").start_as_current_span("the program"):
    if sys.argv[2] == "asyncio":
        asyncio.run(search())
    else:
        with Finder(sys.argv[1]) as finder:
            finder.find("doc", timeout=20)
trace.get_tracer_provider().shutdown()
"""


@pytest.mark.parametrize("kind", ["asyncio", "threads"])
def test_a_program_that_traces_has_spans_of_its_rpcs(
    server: ServerProcess, receiver: Receiver, kind: str
) -> None:
    """Each span is the parent of the next: program, client library, server."""
    subprocess.run(
        [sys.executable, "-c", CLIENT, server.address, kind],
        check=True,
        timeout=40,
        env={**os.environ, "OTEL_SERVICE_NAME": "program"},
    )
    program, rpc, end = receiver.wait_for(
        "program the program", f"program {FIND_RANGE}", f"hashfinder {FIND_RANGE}"
    )
    assert program.trace == rpc.trace == end.trace
    assert (program.span, rpc.span) == (rpc.parent, end.parent)
    assert server.kernel == rpc.attributes["hashfinder.kernel"]


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
