"""The ASGI application: which handler serves a request."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from hashfinder_web.asgi import Receive, Scope, Send
from hashfinder_web.files import File
from hashfinder_web.guard import Guard
from hashfinder_web.http import ClientGoneError, HttpError, Request, refuse, respond
from hashfinder_web.remembered import Remembered

_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Route(Protocol):
    """Serves all paths that begin with `prefix`."""

    prefix: bytes

    async def serve(self, request: Request, send: Send) -> None:
        """Answer a request."""


class Site:
    """The paths of the gateway."""

    def __init__(
        self,
        guard: Guard,
        searches: list[Route],
        files: dict[bytes, File],
        ready: Callable[[], Awaitable[bool]],
        metrics: Remembered[bytes],
    ) -> None:
        """Take what is served.

        Args:
            guard: who may ask.
            searches: the routes that start searches.
            files: the page.
            ready: says whether searches can be served.
            metrics: of server and gateway, in Prometheus' text format.
        """
        self._guard = guard
        self._searches = searches
        self._files = files
        self._ready = ready
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        try:
            try:
                await self._serve(request, send)
            except HttpError as error:
                await refuse(send, error)
        except ClientGoneError:
            pass
        except Exception:
            _log.exception("internal error")
            raise  # the HTTP server sends a bare 500, or closes the connection

    async def _serve(self, request: Request, send: Send) -> None:
        request.check_head()
        path = request.path
        if path == b"/healthz":
            _check_read(request)
            await respond(send, 200, _TEXT, b"ok\n")
            return
        if path == b"/readyz":
            _check_read(request)
            ready = await self._ready()
            await respond(
                send, 200 if ready else 503, _TEXT, b"ready\n" if ready else b"not ready\n"
            )
            return
        self._guard.check_host(request)
        for route in self._searches:
            if path.startswith(route.prefix):
                self._guard.check_site(request)
                await route.serve(request, send)
                return
        if path == b"/metrics":
            _check_read(request)
            await respond(send, 200, _METRICS, await self._metrics.value())
            return
        file = self._files.get(path)
        if file is None:
            raise HttpError(404, "there is nothing here")
        _check_read(request)
        headers = [("etag", file.tag), ("cache-control", "no-cache")]
        if request.headers.get("if-none-match") == file.tag:
            await respond(send, 304, file.content_type, b"", headers)
        else:
            await respond(send, 200, file.content_type, file.body, headers)


def _check_read(request: Request) -> None:
    if request.method not in {"GET", "HEAD"}:
        raise HttpError(405, "the method must be GET or HEAD", [("allow", "GET, HEAD")])
