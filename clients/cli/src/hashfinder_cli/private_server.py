"""The server of a command: a running one, or with --local a private one."""

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
    """The server's socket. Not an option, because no later command can use it."""


@contextmanager
def connected(connection: SearchConnection) -> Iterator[SearchConnection]:
    """Yield a connection to a server; with --local, a private one runs while the block does.

    Raises:
        LocalServerError: a private server is not installed, or does not start.
    """
    if not connection.local:
        yield connection
        return
    with LocalServer() as server:
        yield PrivateConnection(local=True, server=server.target)


@contextmanager
def server_for(search: _Search) -> Iterator[_Search]:
    """Yield `search` with a server to search, as `connected` does."""
    with connected(search.connection) as connection:
        yield replace(search, connection=connection)
