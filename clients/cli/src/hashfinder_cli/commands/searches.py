"""The searches of all clients, for the operator of a server."""

import sys
import threading
import time
from collections import deque
from queue import SimpleQueue

from hashfinder_cli.exit_codes import ExitCode, of_signal
from hashfinder_cli.options.operators import Shown
from hashfinder_cli.options.search import Connection
from hashfinder_cli.security import tls_of, token_of
from hashfinder_cli.signals import reported
from hashfinder_cli.view.operator_errors import explain_operator
from hashfinder_cli.view.searches import json_line, table, text_line
from hashfinder_client.operators import OperatorError, Operators, operators
from hashfinder_client.retry import rpc_timeout
from hashfinder_proto.hash_name_admin_pb2 import (
    ListedSearch,
    ListSearchesRequest,
    WatchSearchesRequest,
    WatchSearchesResponse,
)


def searches(connection: Connection, shown: Shown, *, timeout: float) -> ExitCode:
    """Print the searches; on a terminal, show them until a signal ends that.

    Args:
        connection: the address for operators.
        shown: which, and how.
        timeout: seconds to wait for an answer.

    Raises:
        typer.BadParameter: a file of the connection cannot be used.
    """
    is_watched = sys.stdout.isatty() and not (shown.as_json or shown.once)
    tls = tls_of(connection)
    with operators(connection.server, tls, token_of(connection, tls)) as view:
        try:
            if is_watched:
                return _watch(view, shown)
            _print(view.ask(lambda: _list(view, shown.client, timeout)), shown)
        except OperatorError as error:
            code, sentence = explain_operator(error, connection, timeout)
            print(sentence, file=sys.stderr)
            return code
    return ExitCode.FOUND


def _list(view: Operators, client: str, timeout: float) -> list[ListedSearch]:
    request = ListSearchesRequest(client=client)
    answer = view.stub.ListSearches(request, timeout=rpc_timeout(timeout), metadata=view.metadata)
    return list(answer.searches)


def _print(found: list[ListedSearch], shown: Shown) -> None:
    if shown.as_json or not sys.stdout.isatty():
        sys.stdout.writelines(map(json_line if shown.as_json else text_line, found))
        sys.stdout.flush()
        return
    from rich.console import Console  # noqa: PLC0415 - takes time to import

    Console(highlight=False).print(table(found, time.time()))


def _watch(view: Operators, shown: Shown) -> ExitCode:
    """Show the searches until a signal; return what it makes the exit code.

    Raises:
        OperatorError: the server ends that.
    """
    from rich.console import Console  # noqa: PLC0415 - takes time to import
    from rich.live import Live  # noqa: PLC0415 - likewise

    request = WatchSearchesRequest(client=shown.client)
    request.interval.FromNanoseconds(round(shown.interval * 1e9))
    # A signal is put beside the answers. Raised, it could leave the terminal as the table has it.
    happened: SimpleQueue[WatchSearchesResponse | OperatorError | ExitCode] = SimpleQueue()

    def follow() -> None:
        try:
            view.ask(lambda: deque(map(happened.put, call), maxlen=0))
            happened.put(ExitCode.FOUND)
        except OperatorError as error:
            happened.put(error)

    with (
        reported(lambda signum: happened.put(ExitCode(of_signal(signum)))),
        Live(console=Console(highlight=False), auto_refresh=False, screen=True) as live,
    ):
        call = view.stub.WatchSearches(request, metadata=view.metadata)
        threading.Thread(target=follow, daemon=True).start()
        try:
            while True:
                match happened.get():
                    case OperatorError() as error:
                        raise error
                    case ExitCode() as code:
                        return code
                    case answer:
                        live.update(table(answer.searches, time.time()), refresh=True)
        finally:
            call.cancel()
