"""Why an operator's request failed, as a sentence and an exit code."""

from grpc import StatusCode

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.options.search import Connection
from hashfinder_cli.view.explanations import tls_advice, unreachable
from hashfinder_cli.view.text import plain
from hashfinder_client.operators import OperatorError


def explain_operator(
    error: OperatorError, connection: Connection, timeout: float
) -> tuple[ExitCode, str]:
    """Return the exit code and the sentence for `error`, within `timeout` seconds."""
    server, text = connection.server, plain(error.status.text)
    match error.status.code:
        case StatusCode.UNAVAILABLE:
            lines = [unreachable(server, text), tls_advice(text, connection)]
            return ExitCode.UNAVAILABLE, "\n".join(filter(None, lines))
        case StatusCode.DEADLINE_EXCEEDED:
            return ExitCode.DEADLINE, f"No answer from {server} within {timeout:g} s."
        case StatusCode.PERMISSION_DENIED | StatusCode.UNAUTHENTICATED:
            advice = "Ask at its --admin-listen address, or as a client with the role of operators."
            return ExitCode.DENIED, f"The server refused the request: {text}\n{advice}"
        case StatusCode.NOT_FOUND | StatusCode.INVALID_ARGUMENT:
            return ExitCode.INVALID, f"The server refused the request: {text}"
        case StatusCode.RESOURCE_EXHAUSTED:
            return ExitCode.BUSY, f"The server at {server} has no room for the request: {text}"
        case _:
            return ExitCode.FAULT, f"The request ended with {error.status.code.name}: {text}"
