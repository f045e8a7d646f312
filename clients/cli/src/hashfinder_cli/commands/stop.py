"""The end of searches, for the operator of a server."""

import sys

from hashfinder_cli.exit_codes import ExitCode
from hashfinder_cli.options.search import Connection
from hashfinder_cli.security import tls_of, token_of
from hashfinder_cli.view.operator_errors import explain_operator
from hashfinder_client.operators import OperatorError, operators
from hashfinder_client.retry import rpc_timeout
from hashfinder_proto.hash_name_admin_pb2 import StopSearchRequest


def stop(
    connection: Connection, *, search_id: str | None, client: str | None, timeout: float
) -> ExitCode:
    """Stop one search, or all of a client; print the ids of those that were stopped.

    Raises:
        typer.BadParameter: a file of the connection cannot be used.
    """
    request = StopSearchRequest()
    if search_id is not None:
        request.search_id = search_id
    elif client is not None:
        request.client = client
    tls = tls_of(connection)
    with operators(connection.server, tls, token_of(connection, tls)) as view:
        try:
            stopped = view.ask(
                lambda: view.stub.StopSearch(
                    request, timeout=rpc_timeout(timeout), metadata=view.metadata
                )
            ).search_ids
        except OperatorError as error:
            code, sentence = explain_operator(error, connection, timeout)
            print(sentence, file=sys.stderr)
            return code
    sys.stdout.writelines(f"{each}\n" for each in stopped)
    sys.stdout.flush()
    if not stopped:
        print("That client has no search.", file=sys.stderr)
    return ExitCode.FOUND
