"""The health check, as for a container: quick, quiet, its answer is the exit code."""

import sys
import time

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.view.explanations import unreachable
from hashfinder_cli.view.text import plain
from hashfinder_client.channel import open_channel
from hashfinder_client.proxy import proxy_note
from hashfinder_client.retry import rpc_timeout
from hashfinder_client.status import RpcStatus

PAUSE = 0.5
"""Seconds between two questions."""


def health(server: str, service: str, *, timeout: float, wait: float | None) -> ExitCode:
    """Print the status of `service`, and the kernel; return FOUND if SERVING, else UNAVAILABLE.

    Args:
        server: a target, as `check_target` takes it.
        service: its full name; the empty one is the server as a whole.
        timeout: seconds to wait for an answer.
        wait: for so many seconds, ask again until it is SERVING; None to ask once.
    """
    deadline = time.monotonic() + (wait or 0.0)
    while True:
        left = deadline - time.monotonic()
        patience = timeout if wait is None else max(min(timeout, left), 0.001)
        is_serving, answer = _ask(server, service, patience)
        left = deadline - time.monotonic()
        if is_serving or left <= PAUSE:
            break
        time.sleep(PAUSE)
    print(answer, file=sys.stdout if answer.startswith(_STATUSES) else sys.stderr)
    return ExitCode.FOUND if is_serving else ExitCode.UNAVAILABLE


_STATUSES = tuple(HealthCheckResponse.ServingStatus.keys())


def _ask(server: str, service: str, timeout: float) -> tuple[bool, str]:
    """Return whether `service` is SERVING, and what to print.

    On a channel of its own: one that lives looks a name up again every 30 seconds at most.
    """
    with open_channel(server) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            HealthCheckRequest.SerializeToString,
            HealthCheckResponse.FromString,
        )
        call = check.future(HealthCheckRequest(service=service), timeout=rpc_timeout(timeout))
        ended = RpcStatus.of(call).with_note(proxy_note(server))
        if ended.code is not grpc.StatusCode.OK:
            return False, _sentence(ended, server, service, timeout)
        status = call.result().status
    kernel = f", kernel {plain(ended.kernel)}" if ended.kernel else ""
    return (
        status == HealthCheckResponse.SERVING,
        f"{HealthCheckResponse.ServingStatus.Name(status)}{kernel}",
    )


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
