"""Health checking and reflection."""

import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.server.conftest import StartApplication
from tests.integration.server.endings import ending_of
from tests.integration.server_process import SERVICE, ServerProcess

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
VERSIONS = ("v1", "v1alpha")

Reflect = Callable[
    [reflection_pb2.ServerReflectionRequest], reflection_pb2.ServerReflectionResponse
]


def reflector(channel: grpc.Channel, version: str) -> Reflect:
    """Return a function that calls one version of the reflection service."""
    method = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )

    def ask(
        request: reflection_pb2.ServerReflectionRequest,
    ) -> reflection_pb2.ServerReflectionResponse:
        [response] = method(iter([request]))
        return response

    return ask


@pytest.mark.parametrize("service", ["", SERVICE])
def test_server_and_service_are_serving(server: ServerProcess, service: str) -> None:
    """Health knows the server itself and the service."""
    with server.channel() as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        assert SERVING == stub.Check(health_pb2.HealthCheckRequest(service=service)).status


def test_health_of_an_unknown_service_is_not_found(server: ServerProcess) -> None:
    """Health answers NOT_FOUND for unknown services."""
    with server.channel() as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            health.Check(health_pb2.HealthCheckRequest(service="nope"))

    assert grpc.StatusCode.NOT_FOUND == ending_of(caught.value).code


async def test_watchers_see_the_drain(application: StartApplication) -> None:
    """A drain first sets the service to NOT_SERVING; the server itself stays SERVING."""
    running = await application(drain_delay=1.0)
    stub: Any = health_pb2_grpc.HealthStub(running.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
    assert SERVING == (await watch.read()).status

    running.application.lifecycle.ask_to_stop()

    assert NOT_SERVING == (await watch.read()).status
    assert SERVING == (await stub.Check(health_pb2.HealthCheckRequest())).status


def test_health_stays_fast_under_load(server: ServerProcess) -> None:
    """Two hundred running searches do not delay a health check."""
    with server.stub() as stub, server.channel() as channel:
        calls = [stub.Find.future(HashNameRequest(desired_name="hopelessly")) for _ in range(200)]
        server.wait_for_searches(200)
        health: Any = health_pb2_grpc.HealthStub(channel)
        seconds: list[float] = []
        for _ in range(30):
            began = time.perf_counter()
            health.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=5)
            seconds.append(time.perf_counter() - began)
        for call in calls:
            call.cancel()
        server.wait_until_idle()

    assert sorted(seconds)[len(seconds) // 2] < 0.5


@pytest.mark.parametrize("version", VERSIONS)
def test_reflection_lists_the_services(server: ServerProcess, version: str) -> None:
    """Both versions list the service, health, and reflection in both versions."""
    with server.channel() as channel:
        response = reflector(channel, version)(
            reflection_pb2.ServerReflectionRequest(list_services="")
        )

    assert {
        SERVICE,
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    } == {service.name for service in response.list_services_response.service}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        (SERVICE, "hash_name.proto"),
        (f"{SERVICE}.Find", "hash_name.proto"),
        ("hash_name.SearchProgress", "hash_name.proto"),
        ("google.rpc.ErrorInfo", "google/rpc/error_details.proto"),
        ("google.rpc.QuotaFailure", "google/rpc/error_details.proto"),
        ("grpc.health.v1.Health", "grpc_health/v1/health.proto"),
        ("grpc.reflection.v1.ServerReflection", None),
    ],
)
def test_reflection_describes_symbols(
    server: ServerProcess, version: str, symbol: str, file: str | None
) -> None:
    """The contract and the types of error details are found by name, with their imports."""
    with server.channel() as channel:
        response = reflector(channel, version)(
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
        )

    files = [
        descriptor_pb2.FileDescriptorProto.FromString(serialized)
        for serialized in response.file_descriptor_response.file_descriptor_proto
    ]
    assert files, response
    if file:
        assert file in {each.name for each in files}


@pytest.mark.parametrize("version", VERSIONS)
def test_reflection_of_an_unknown_symbol_is_not_found(server: ServerProcess, version: str) -> None:
    """An unknown symbol is NOT_FOUND inside the response."""
    with server.channel() as channel:
        response = reflector(channel, version)(
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="hash_name.Nope")
        )

    assert grpc.StatusCode.NOT_FOUND.value[0] == response.error_response.error_code
