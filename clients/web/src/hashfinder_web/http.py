"""One HTTP request and its answer."""

import asyncio
import re
from collections.abc import Sequence
from functools import cached_property
from typing import TypeAlias

from hashfinder_web.asgi import Receive, Scope, Send

Headers: TypeAlias = Sequence[tuple[str, str]]

_LONGEST_HEAD = 16 * 1024
_URL = re.compile(rb"https?://([^/?#]+)(/[^?#]*)?", re.IGNORECASE)
"""The form of a request's target that is for proxies, and that a server has to take as well."""
_BODY_SECONDS = 10.0
"""How long a body may take to arrive."""
_CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SECURITY: Headers = (
    ("content-security-policy", _CONTENT_SECURITY),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)


class HttpError(Exception):
    """The request is refused, with a status and a sentence for people. The client acts."""

    def __init__(self, status: int, text: str, headers: Headers = ()) -> None:
        """Take the status, what is wrong, and headers that the status asks for."""
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


class ClientGoneError(Exception):
    """The client's connection was lost: there is nobody to answer."""


class Request:
    """One request. Its headers have lower-case names."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        """Take what ASGI gives."""
        self.method: str = scope["method"]
        target: bytes = scope["raw_path"]
        url = _URL.fullmatch(target)
        self.path: bytes = target if url is None else url[2] or b"/"
        """Without the query, percent signs and all."""
        self.query: bytes = scope["query_string"]
        self.peer: tuple[str, int] = tuple(scope["client"] or ("", 0))[:2]
        """The address and port that the connection comes from."""
        self.receive = receive
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.host: str = self.headers.get("host", "") if url is None else url[1].decode("latin-1")
        """Whom it is for. What its target says counts before the header (RFC 9112, 3.2.2)."""

    def check_head(self) -> None:
        """Refuse a target that is no path, and a head that is too long.

        The HTTP server lets one pass that comes at once.

        Raises:
            HttpError: it is.
        """
        if not self.path.startswith(b"/"):
            if self.method == "CONNECT" or (self.method, self.path) == ("OPTIONS", b"*"):
                methods = ("allow", "GET, HEAD, POST")
                raise HttpError(405, "the method must be GET, HEAD or POST", [methods])
            raise HttpError(400, "the target must be a path, or a URL of HTTP")
        close = [("connection", "close")]
        if len(self.path) + len(self.query) > _LONGEST_HEAD:
            raise HttpError(414, f"the path has more than {_LONGEST_HEAD} bytes", close)
        if sum(len(name) + len(value) for name, value in self._headers) > _LONGEST_HEAD:
            raise HttpError(431, f"the headers have more than {_LONGEST_HEAD} bytes", close)

    @cached_property
    def headers(self) -> dict[str, str]:
        """The headers; several of one name are joined by commas."""
        found: dict[str, str] = {}
        for name, value in self._headers:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found else text
        return found

    @property
    def content_type(self) -> str:
        """The type of the body, without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def body(self, limit: int) -> bytes:
        """Return the body.

        Raises:
            HttpError: it has more than `limit` bytes, or does not arrive.
            ClientGoneError: the client left before it had sent all of it.
        """
        body = b""
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                while True:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGoneError
                    part: bytes = message.get("body", b"")
                    body += part
                    if len(body) > limit:
                        text = f"the body has more than {limit} bytes"
                        raise HttpError(413, text, [("connection", "close")])
                    if not message.get("more_body", False):
                        return body
        except TimeoutError:
            text = f"the body did not arrive within {_BODY_SECONDS:g} s"
            raise HttpError(408, text, [("connection", "close")]) from None


async def start(send: Send, status: int, content_type: str, headers: Headers = ()) -> None:
    """Send the status and the headers. Nothing may be cached, unless `headers` say otherwise."""
    every = {"content-type": content_type, "cache-control": "no-store", **dict(_SECURITY)}
    every |= dict(headers)
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def write(send: Send, body: bytes, *, more: bool = True) -> None:
    """Send a part of the body; the last one if not `more`. It waits for a client that is slow."""
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def respond(
    send: Send, status: int, content_type: str, body: bytes, headers: Headers = ()
) -> None:
    """Send a whole answer."""
    length = ("content-length", str(len(body)))
    await start(send, status, content_type, [*headers, length])
    await write(send, body, more=False)


async def refuse(send: Send, error: HttpError) -> None:
    """Send the status of `error` and its sentence."""
    body = f"{error.text}\n".encode()
    await respond(send, error.status, "text/plain; charset=utf-8", body, error.headers)
