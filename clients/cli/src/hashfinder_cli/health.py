"""The health check, as for a container: quick, quiet, and told by the exit code."""

import sys

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.explain import plain, unreachable
from hashfinder_client.channel import open_channel
from hashfinder_client.status import RpcStatus


def health(server: str, service: str, timeout: float) -> ExitCode:
    """Print the status of `service`, and the kernel; return FOUND if SERVING, else UNAVAILABLE.

    Args:
        server: HOST:PORT.
        service: its full name; the empty one is the server as a whole.
        timeout: seconds to wait for the answer.
    """
    with open_channel(server) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            HealthCheckRequest.SerializeToString,
            HealthCheckResponse.FromString,
        )
        call = check.future(HealthCheckRequest(service=service), timeout=timeout)
        ended = RpcStatus.of(call)
        if ended.code is not grpc.StatusCode.OK:
            sys.stderr.write(_sentence(ended, server, service, timeout) + "\n")
            return ExitCode.UNAVAILABLE
        answer = call.result()
    kernel = f", kernel {plain(ended.kernel)}" if ended.kernel else ""
    status = HealthCheckResponse.ServingStatus.Name(answer.status)
    sys.stdout.write(f"{status}{kernel}\n")
    is_serving = answer.status == HealthCheckResponse.SERVING
    return ExitCode.FOUND if is_serving else ExitCode.UNAVAILABLE


def _sentence(ended: RpcStatus, server: str, service: str, timeout: float) -> str:
    text = plain(ended.text)
    match ended.code:
        case grpc.StatusCode.UNAVAILABLE:
            return unreachable(server, text)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"No answer from {server} within {timeout:g} s."
        case grpc.StatusCode.NOT_FOUND:
            return f"The server at {server} knows no service {service!r}."
        case grpc.StatusCode.UNIMPLEMENTED:
            return f"The server at {server} offers no health check."
        case _:
            return f"The health check ended with {ended.code.name}: {text}"
