"""The server of a search: one that is there, or with --local one of the command's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from hashfinder_cli.options.search import SearchConnection
from hashfinder_cli.search import Search
from hashfinder_client.local_server import LocalServer

_Search = TypeVar("_Search", bound=Search)


@dataclass(frozen=True, kw_only=True)
class PrivateConnection(SearchConnection):
    """The connection to a server that --local has started."""

    server: str
    """Its socket: no option, since no later command can use it."""


@contextmanager
def server_for(search: _Search) -> Iterator[_Search]:
    """Give `search` with a server to search; a private one runs while the block does.

    Raises:
        LocalServerError: a private server is not installed, or does not start.
    """
    if not search.connection.local:
        yield search
        return
    with LocalServer() as server:
        connection = PrivateConnection(local=True, server=server.target)
        yield replace(search, connection=connection)
