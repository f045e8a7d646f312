"""An operator's RPCs: on a channel of the server's address for operators."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import grpc

from hashfinder_client.channel import open_channel
from hashfinder_client.proxy import proxy_note
from hashfinder_client.status import RpcStatus
from hashfinder_client.tls import Tls, closed_note
from hashfinder_client.token_file import Metadata, TokenFile
from hashfinder_proto.hash_name_admin_pb2_grpc import HashFinderAdminStub

_T = TypeVar("_T")


class OperatorError(Exception):
    """An operator's RPC has failed."""

    def __init__(self, status: RpcStatus) -> None:
        """Take how it ended."""
        self.status = status
        super().__init__(status.text)


class Operators:
    """An operator's view of one server."""

    def __init__(
        self, server: str, tls: Tls | None, token: TokenFile | None, stub: HashFinderAdminStub
    ) -> None:
        """Take the server's address, the token to send, and the stub of a channel to it."""
        self._server = server
        self._tls = tls
        self.stub = stub
        self.metadata: Metadata = () if token is None else token.metadata()
        """What every RPC sends."""

    def ask(self, rpc: Callable[[], _T]) -> _T:
        """Return what `rpc` returns.

        Raises:
            OperatorError: it has failed.
        """
        try:
            return rpc()
        except grpc.RpcError as error:
            status = RpcStatus.of(cast("grpc.Call", error))  # It has all that is asked for.
            note = proxy_note(self._server) + closed_note(status.text, self._tls)
            raise OperatorError(status.with_note(note)) from error


@contextmanager
def operators(
    server: str, tls: Tls | None = None, token: TokenFile | None = None
) -> Iterator[Operators]:
    """Give an operator's view of `server`; the first RPC connects."""
    with open_channel(server, tls) as channel:
        yield Operators(server, tls, token, HashFinderAdminStub(channel))
