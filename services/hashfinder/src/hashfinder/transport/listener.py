"""The addresses of the server, which stay open whatever happens to gRPC's accept loop."""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import structlog

from hashfinder.domain.address import ListenAddress, PrivateAddress, TcpAddress, UnixAddress
from hashfinder.domain.errors import HashFinderError
from hashfinder.transport.socket_file import SocketFile

_LOOK_SECONDS = 0.5
"""How often the accept loop is looked after: each look wakes an idle server."""
_RETRY_SECONDS = 0.05
"""How long a replacement waits before it tries to bind the address again."""
_REBIND_SECONDS = 5.0
"""How long a replacement may take to bind the address again."""
_LONGEST_RPC_SECONDS = 10 * 365 * 86_400.0
_STOP_SECONDS = 2.0
"""How long gRPC may take to hang up. A peer that never reads can hold that up for ever."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class BindError(HashFinderError):
    """The address cannot be listened on. The operator acts."""


class Listener:
    """Serves what `build` returns, and replaces it when its accept loop ends by itself.

    RPCs under way stay with the server that accepted them, until they end.
    """

    def __init__(
        self,
        build: Callable[[], grpc.aio.Server],
        address: ListenAddress,
        on_failure: Callable[[HashFinderError], None],
        create_credentials: Callable[[], grpc.ServerCredentials] | None = None,
    ) -> None:
        """Bind `address`; nothing is served before `start`.

        `create_credentials` makes those of each server; without it they serve plain text.
        `on_failure` is called once if a replacement cannot bind: no client can connect any more.

        Raises:
            BindError: the address is in use, or not ours.
        """
        self.replaced = 0
        """How many times the accept loop has ended by itself."""
        self._build = build
        self._on_failure = on_failure
        self._create_credentials = create_credentials
        self._server = build()
        self._file = _file_of(address)
        self.address = address
        """Where it listens, as clients know it."""
        try:
            self.address = self._bind(self._server)
        except BindError:
            self.discard()
            raise
        self._former: list[grpc.aio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._supervision: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to serve."""
        await self._server.start()
        self._supervision = self._spawn(self._supervise())

    async def stop(self) -> None:
        """Close the address and all connections, and cancel the RPCs that are left.

        Returns after some 2 s, even if gRPC is still waiting for a peer.
        """
        if self._supervision is not None:
            self._supervision.cancel()
        self.discard()
        # Not cancelled at the end: that would break a future that gRPC's core sets.
        stopping = [self._spawn(server.stop(None)) for server in (self._server, *self._former)]
        _, pending = await asyncio.wait(stopping, timeout=_STOP_SECONDS)
        if pending:
            _log.warning("a peer does not read: its connection is left to the system")

    def discard(self) -> None:
        """Remove the file of a unix socket. For a process that ends at once: from any thread."""
        if self._file is not None:
            self._file.remove()

    async def _supervise(self) -> None:
        while True:
            try:
                # Looked for in steps: without a timeout it would first wait for the RPCs under way.
                await self._server.wait_for_termination(_LOOK_SECONDS)
            except Exception as error:  # noqa: BLE001  # whatever ended the accept loop
                self.replaced += 1
                _log.error("accept loop ended: listening again", exc_info=error)
                try:
                    await self._replace()
                except BindError as failure:
                    self._on_failure(failure)
                    return
                except Exception as fault:  # noqa: BLE001  # nobody listens, whatever it is
                    message = f"cannot listen on {self.address} again: {fault}"
                    self._on_failure(BindError(message))
                    return

    async def _replace(self) -> None:
        former, server = self._server, self._build()
        _ = self._spawn(self._retire(former))
        deadline = time.monotonic() + _REBIND_SECONDS
        while True:
            try:
                self._bind(server)
                break
            except BindError:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
        self._server = server
        await server.start()

    async def _retire(self, server: grpc.aio.Server) -> None:
        """Free a server after its last RPC. It has closed its port and sent GOAWAY."""
        self._former.append(server)
        await server.stop(_LONGEST_RPC_SECONDS)
        self._former.remove(server)

    def _bind(self, server: grpc.aio.Server) -> ListenAddress:
        """Bind the address; return it, with the port that it got."""
        try:
            if self._file is not None:
                self._file.publish(lambda path: self._add_port(server, UnixAddress(str(path))))
                return UnixAddress(str(self._file.path))
            assert isinstance(self.address, TcpAddress)  # noqa: S101  # or there is a file
            _check_bindable(self.address)
            return replace(self.address, port=self._add_port(server, self.address))
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            message = f"cannot listen on {self.address}: {reason}"
            raise BindError(message) from error

    def _add_port(self, server: grpc.aio.Server, address: ListenAddress) -> int:
        if self._create_credentials is None:
            return server.add_insecure_port(str(address))
        return server.add_secure_port(str(address), self._create_credentials())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _file_of(address: ListenAddress) -> SocketFile | None:
    match address:
        case UnixAddress():
            return SocketFile(Path(address.path))
        case PrivateAddress():
            try:
                return SocketFile.in_new_folder()
            except OSError as error:
                message = f"cannot make a folder for a socket: {error.strerror}"
                raise BindError(message) from error
        case TcpAddress():
            return None


def _check_bindable(address: TcpAddress) -> None:
    """Raise an OSError that says why an address cannot be listened on; gRPC's does not."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    socket.create_server((address.host, address.port), family=family).close()
