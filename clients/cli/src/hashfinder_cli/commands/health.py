"""The health check, as for a container: quick, quiet, its answer is the exit code."""

import sys
import time

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.options.search import Connection
from hashfinder_cli.security import tls_of
from hashfinder_cli.view.explanations import tls_advice, unreachable
from hashfinder_cli.view.text import plain
from hashfinder_client.channel import open_channel
from hashfinder_client.proxy import proxy_note
from hashfinder_client.retry import rpc_timeout
from hashfinder_client.status import RpcStatus
from hashfinder_client.tls import Tls, closed_note

PAUSE = 0.5
"""Seconds between two checks."""


def health(connection: Connection, service: str, *, timeout: float, wait: float | None) -> ExitCode:
    """Print the status of `service`, and the kernel; return FOUND if SERVING, else UNAVAILABLE.

    Args:
        connection: which server, and how.
        service: its full name; the empty one is the server as a whole.
        timeout: seconds to wait for an answer.
        wait: for so many seconds, ask again until it is SERVING; None to ask once.

    Raises:
        typer.BadParameter: a file of the connection cannot be used.
    """
    tls = tls_of(connection)
    deadline = time.monotonic() + (wait or 0.0)
    while True:
        left = deadline - time.monotonic()
        patience = timeout if wait is None else max(min(timeout, left), 0.001)
        is_serving, answer = _ask(connection, tls, service, patience)
        left = deadline - time.monotonic()
        if is_serving or left <= PAUSE:
            break
        time.sleep(PAUSE)
    print(answer, file=sys.stdout if answer.startswith(_STATUSES) else sys.stderr)
    return ExitCode.FOUND if is_serving else ExitCode.UNAVAILABLE


_STATUSES = tuple(HealthCheckResponse.ServingStatus.keys())


def _ask(connection: Connection, tls: Tls | None, service: str, timeout: float) -> tuple[bool, str]:
    """Return whether `service` is SERVING, and what to print.

    On a channel of its own: one that lives looks a name up again every 30 seconds at most.
    """
    with open_channel(connection.server, tls) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            HealthCheckRequest.SerializeToString,
            HealthCheckResponse.FromString,
        )
        call = check.future(HealthCheckRequest(service=service), timeout=rpc_timeout(timeout))
        ended = RpcStatus.of(call)
        ended = ended.with_note(proxy_note(connection.server) + closed_note(ended.text, tls))
        if ended.code is not grpc.StatusCode.OK:
            return False, _sentence(ended, connection, service, timeout)
        status = call.result().status
    kernel = f", kernel {plain(ended.kernel)}" if ended.kernel else ""
    return (
        status == HealthCheckResponse.SERVING,
        f"{HealthCheckResponse.ServingStatus.Name(status)}{kernel}",
    )


def _sentence(ended: RpcStatus, connection: Connection, service: str, timeout: float) -> str:
    server, text = connection.server, plain(ended.text)
    match ended.code:
        case grpc.StatusCode.UNAVAILABLE:
            lines = [unreachable(server, text), tls_advice(text, connection)]
            return "\n".join(filter(None, lines))
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"No answer from {server} within {timeout:g} s."
        case grpc.StatusCode.NOT_FOUND:
            return f"The server at {server} knows no service {service!r}."
        case grpc.StatusCode.UNIMPLEMENTED:
            return f"The server at {server} offers no health check."
        case _:
            return f"The health check ended with {ended.code.name}: {text}"
