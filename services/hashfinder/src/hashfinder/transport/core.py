"""What is made of gRPC's private parts: a guarded accept loop, and the open connections.

**The accept loop.** grpc.aio decodes the path of every request for an unregistered method as UTF-8,
in its accept loop. One path that is not UTF-8 ends that loop, and with it the server, for all. Our
methods are registered with the core, which compares bytes, so every other request is answered
UNIMPLEMENTED here, before its path is decoded. A few tasks for each method accept its RPCs, and an
RPC is one task: gRPC's loop looks at all methods for each RPC, and makes three tasks of it.

**The open connections** are those of channelz, in pages of JSON: grpcio-channelz makes messages of
them, which takes ten times as long.

A later gRPC may lack these parts. The server is then a plain one, and `Listener` replaces it when
its loop ends; lost connections then count as cancels. That is a last resort: gRPC 1.85.1 frees what
its core still writes to when a plain server's loop ends, which can crash the process.
"""

import asyncio
import json
import logging
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any, cast

import grpc
import structlog

_REFUSALS = 64
"""How many answers to unknown methods may be on their way at once; more requests wait in the core.

A peer that does not read holds up other unknown methods alone.
"""

_ACCEPTED = 4
"""RPCs of a method that are accepted each time that the event loop looks for events.

One at a time, each would be a turn of its own, and find the CPU's caches full of other things. Many
would let RPCs whose client is not known yet have more of the loop than a client's.
"""

_PAGE = 250
"""Connections in a page: some milliseconds."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


def create_server(options: Sequence[tuple[str, object]]) -> grpc.aio.Server:
    """Return a server that serves only methods which are registered with the core.

    Every generated ``add_..._to_server`` registers its methods; see also
    `grpc.aio.Server.add_registered_method_handlers`.
    """
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_worth_a_line)
    try:
        return guarded_server(options)
    except (ImportError, AttributeError, TypeError):
        _log.exception("gRPC has changed: a path that is not UTF-8 interrupts the server")
        return grpc.aio.server(options=options)


def guarded_server(options: Sequence[tuple[str, object]]) -> grpc.aio.Server:
    """Return such a server, made of gRPC's private parts.

    Raises:
        ImportError, AttributeError, TypeError: these parts have changed.
    """
    from grpc._cython import cygrpc  # noqa: PLC0415
    from grpc.aio._server import Server  # noqa: PLC0415

    server = object.__new__(Server)  # its constructor would make an AioServer that guards nothing
    server._loop = cygrpc.get_working_loop()
    server._server = _guarded_type(cygrpc)(server._loop, None, (), (), tuple(options), None)
    return cast("grpc.aio.Server", server)


def server_ids() -> list[int]:
    """Return channelz's numbers of this process's servers.

    It takes as long as all their connections are many: to be asked when a server is new.

    Raises:
        ImportError, AttributeError, TypeError, ValueError, KeyError: gRPC has changed.
    """
    from grpc._cython import cygrpc  # noqa: PLC0415

    servers = json.loads(cygrpc.channelz_get_servers(0)).get("server", ())
    return [int(server["ref"]["serverId"]) for server in servers]


def connected_peers(servers: Iterable[int]) -> Iterator[set[str]]:
    """Yield the peers of the open connections of `servers`, a few hundred at a time.

    Raises:
        ImportError, AttributeError, TypeError, KeyError: gRPC has changed.
    """
    from grpc._cython import cygrpc  # noqa: PLC0415

    for server_id in servers:
        first = 0
        while True:
            try:
                page = json.loads(cygrpc.channelz_get_server_sockets(server_id, first, _PAGE))
            except ValueError:  # a server that has been replaced, and ended
                break
            sockets = page.get("socketRef", ())
            # A socket's name is its transport and its peer: "chttp2 ipv4:192.0.2.1:50000".
            yield {socket["name"].rpartition(" ")[2] for socket in sockets}
            if page.get("end") or not sockets:
                break
            first = int(sockets[-1]["socketId"]) + 1


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Drop the two tracebacks for each metadata value that is not UTF-8: it is read as Latin-1."""
    return not str(record.msg).startswith("Invalid encoding on")


def _resume(coroutine: Coroutine[Any, Any, None], _done: object = None) -> None:
    """Run a coroutine up to a future of gRPC's, and on when that is done: without a task for it."""
    with suppress(StopIteration):
        future = coroutine.send(None)
        future._asyncio_future_blocking = False  # noqa: SLF001  # as a task says that it waits
        future.add_done_callback(partial(_resume, coroutine))


@cache
def _guarded_type(cygrpc: Any) -> Any:  # noqa: ANN401, C901  # a module without types; a whole class
    request_call = cygrpc.AioServer._request_call  # noqa: SLF001
    request_registered_call = cygrpc.AioServer._request_registered_call  # noqa: SLF001
    guard = cygrpc._handle_exceptions  # noqa: SLF001
    cancel_with_client = cygrpc._handle_cancellation_from_core  # noqa: SLF001
    handlings = {  # by whether the requests and the responses are streams
        (False, False): cygrpc._handle_unary_unary_rpc,  # noqa: SLF001
        (False, True): cygrpc._handle_unary_stream_rpc,  # noqa: SLF001
        (True, False): cygrpc._handle_stream_unary_rpc,  # noqa: SLF001
        (True, True): cygrpc._handle_stream_stream_rpc,  # noqa: SLF001
    }
    context_of = cygrpc._ServicerContext  # noqa: SLF001
    failures = (grpc.aio.AbortError, cygrpc.ExecuteBatchError)

    async def refuse(call: object) -> None:
        context = context_of(call, None, None, asyncio.get_running_loop())
        with suppress(*failures):
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")

    class GuardedAioServer(cygrpc.AioServer):  # type: ignore[misc]
        """Accepts calls of registered methods; refuses all others."""

        def __init__(self, *args: object) -> None:
            super().__init__(*args)
            self._handlers: dict[str, Any] = {}

        def add_registered_method_handlers(self, handlers: Mapping[str, object]) -> None:
            super().add_registered_method_handlers(handlers)
            self._handlers.update(handlers)

        def _make_request_call_future(self, path: bytes | None) -> asyncio.Future[Any]:
            """Return what gRPC's loop waits for: it never ends by itself."""
            if path is None:
                return asyncio.ensure_future(self._refuse())
            return asyncio.gather(*(self._accept(path) for _ in range(_ACCEPTED)))

        async def _accept(self, path: bytes) -> None:
            loop, name = asyncio.get_running_loop(), path.decode()
            handler = self._handlers[name]
            handle = handlings[handler.request_streaming, handler.response_streaming]

            def begin(state: object) -> None:  # a variable of the loop would keep its connection
                rpc = loop.create_task(guard(state, handle(handler, state, loop), loop, name))
                _resume(cancel_with_client(rpc, state, loop))  # which keeps the task until its end

            while True:
                begin(await request_registered_call(self, path))

        async def _refuse(self) -> None:
            refusals: set[asyncio.Task[None]] = set()
            while True:
                refusal = asyncio.ensure_future(refuse(await request_call(self)))
                refusals.add(refusal)
                refusal.add_done_callback(refusals.discard)
                if len(refusals) >= _REFUSALS:
                    await asyncio.wait(refusals, return_when=asyncio.FIRST_COMPLETED)

    return GuardedAioServer
