"""The searches of all clients, for the operator of a server."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from hashfinder_cli.exit_codes import ExitCode, of_signal
from hashfinder_cli.options.operators import Shown
from hashfinder_cli.options.search import Connection
from hashfinder_cli.security import tls_of, token_of
from hashfinder_cli.signals import STOP_SIGNALS, exit_on_stop_signals
from hashfinder_cli.view.operator_errors import explain_operator
from hashfinder_cli.view.searches import json_line, table, text_line
from hashfinder_client.operators import OperatorError, Operators, operators
from hashfinder_client.retry import rpc_timeout
from hashfinder_proto.hash_name_admin_pb2 import (
    ListedSearch,
    ListSearchesRequest,
    WatchSearchesRequest,
)


class _Interrupted(Exception):  # noqa: N818 - it is no error
    def __init__(self, signum: int) -> None:
        self.code = ExitCode(of_signal(signum))


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
                _watch(view, shown)
            else:
                _print(view.ask(lambda: _list(view, shown.client, timeout)), shown)
        except _Interrupted as end:
            return end.code
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


def _watch(view: Operators, shown: Shown) -> None:
    from rich.console import Console  # noqa: PLC0415 - takes time to import
    from rich.live import Live  # noqa: PLC0415 - likewise

    request = WatchSearchesRequest(client=shown.client)
    request.interval.FromNanoseconds(round(shown.interval * 1e9))
    with _raised(), Live(console=Console(highlight=False), auto_refresh=False, screen=True) as live:
        call = view.stub.WatchSearches(request, metadata=view.metadata)

        def show() -> None:
            for response in call:
                live.update(table(response.searches, time.time()), refresh=True)

        try:
            view.ask(show)
        finally:
            call.cancel()


@contextmanager
def _raised() -> Iterator[None]:
    """Raise the stop signals, so that the terminal is given back as it was."""

    def interrupt(signum: int, _frame: FrameType | None) -> None:
        raise _Interrupted(signum)

    for stop_signal in STOP_SIGNALS:
        signal.signal(stop_signal, interrupt)
    try:
        yield
    finally:
        exit_on_stop_signals()
