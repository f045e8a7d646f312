"""Every method of the contract over the Connect protocol."""

import binascii
import json
import re
from base64 import b64decode
from contextlib import aclosing
from urllib.parse import parse_qsl

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message

from hashfinder_web.asgi import Send
from hashfinder_web.connect import codec
from hashfinder_web.connect.codes import error_json, http_status
from hashfinder_web.gateway import Gateway
from hashfinder_web.http import HttpError, Request, respond, start, write
from hashfinder_web.upstream.failure import Failure, RpcFailedError
from hashfinder_web.upstream.rpc import Reply

_LARGEST_BODY = 128 * 1024
"""The server takes 64 KiB of protobuf, and bytes in JSON are base64."""
_ENCODINGS = ("content-encoding", "connect-content-encoding")
_TIMEOUT = re.compile(r"[0-9]{1,10}", re.ASCII)
_MOST_PARAMETERS = 16
_VERSION = "1"
_JSON = "application/json"
_UNARY = {_JSON: True, "application/proto": False}
_STREAM = {"application/connect+json": True, "application/connect+proto": False}
"""Types of content, and whether they are JSON."""


class ConnectRoutes:
    """Serves the methods of one service."""

    def __init__(self, service: ServiceDescriptor, gateway: Gateway) -> None:
        """Take what is served, and what makes the RPCs."""
        self._service = service
        self._gateway = gateway
        self.prefix = f"/{service.full_name}/".encode()
        """How the paths of its methods begin."""

    async def serve(self, request: Request, send: Send) -> None:
        """Answer a request whose path begins so.

        Raises:
            HttpError: the request is none of the protocol's.
            ClientGoneError: the client left.
        """
        name = request.path.removeprefix(self.prefix).decode("latin-1")
        method = self._service.methods_by_name.get(name)
        if method is None:
            raise HttpError(404, f"{self._service.full_name} has no such method")
        if request.method == "GET" and _is_safe(method):
            await self._unary(method, request, send)
            return
        if request.method != "POST":
            allowed = "GET, POST" if _is_safe(method) else "POST"
            raise HttpError(405, f"the method must be {allowed}", [("allow", allowed)])
        types = _STREAM if method.server_streaming else _UNARY
        if request.content_type not in types:
            accepted = ", ".join(types)
            text = f"the content type must be one of {accepted}"
            raise HttpError(415, text, [("accept-post", accepted)])
        if method.server_streaming:
            await self._stream(method, request, send)
        else:
            await self._unary(method, request, send)

    async def _unary(self, method: MethodDescriptor, request: Request, send: Send) -> None:
        caller = self._gateway.caller(request)
        headers = [("x-request-id", caller.request_id)]
        try:
            if request.method == "GET":
                data, as_json = _from_query(request)
            else:
                _check(request)
                data, as_json = await request.body(_LARGEST_BODY), _UNARY[request.content_type]
            message = _decoded(method, data, as_json=as_json)
            seconds = self._seconds(request)
            async with self._gateway.call(request, caller, "connect", method.name):
                answer, reply = await self._gateway.upstream.unary(method, message, caller, seconds)
        except RpcFailedError as error:
            body = json.dumps(error_json(error.failure)).encode()
            await respond(send, http_status(error.failure.code), _JSON, body, headers)
            return
        headers += [(f"trailer-{name}", value) for name, value in _trailer(reply.kernel).items()]
        content_type = _JSON if as_json else "application/proto"
        await respond(send, 200, content_type, codec.encode(answer, as_json=as_json), headers)

    async def _stream(self, method: MethodDescriptor, request: Request, send: Send) -> None:
        caller = self._gateway.caller(request)
        as_json = _STREAM[request.content_type]
        error: Failure | None = None
        reply = Reply()
        body = await request.body(_LARGEST_BODY)
        await start(send, 200, request.content_type, [("x-request-id", caller.request_id)])
        try:
            _check(request)
            message = _decoded(method, _opened(body), as_json=as_json)
            seconds = self._seconds(request)
            async with self._gateway.call(request, caller, "connect", method.name):
                messages = self._gateway.upstream.stream(method, message, caller, seconds, reply)
                async with aclosing(messages):
                    async for each in messages:
                        await write(send, codec.enveloped(codec.encode(each, as_json=as_json)))
        except RpcFailedError as failed:
            error = failed.failure
        kernel = error.kernel if error else reply.kernel
        end = codec.end_of_stream(error_json(error) if error else None, _trailer(kernel))
        await write(send, end, more=False)

    def _seconds(self, request: Request) -> float:
        """Return the deadline that the client asks for, or the longest.

        Raises:
            RpcFailedError: it does not ask for it in the protocol's way.
        """
        text = request.headers.get("connect-timeout-ms")
        if text is None:
            return self._gateway.maximum_seconds
        if not _TIMEOUT.fullmatch(text):
            message = "Connect-Timeout-Ms must be a whole number of milliseconds of 1 to 10 digits"
            raise _invalid(message)
        return min(int(text) / 1000, self._gateway.maximum_seconds)


def _is_safe(method: MethodDescriptor) -> bool:
    """Whether the contract says that a method has no side effects: the protocol's GET needs it."""
    level: int = method.GetOptions().idempotency_level
    return level == MethodOptions.NO_SIDE_EFFECTS and not method.server_streaming


def _check(request: Request) -> None:
    """Refuse versions of the protocol other than 1, and compression."""
    version = request.headers.get("connect-protocol-version", _VERSION)
    if version != _VERSION:
        message = f"Connect-Protocol-Version must be {_VERSION}"
        raise _invalid(message)
    for name in _ENCODINGS:
        _check_compression(request.headers.get(name, "identity"))


def _check_compression(name: str) -> None:
    if name.lower() not in {"", "identity"}:
        message = "the one compression supported is identity"
        raise RpcFailedError(Failure(grpc.StatusCode.UNIMPLEMENTED, message))


def _from_query(request: Request) -> tuple[bytes, bool]:
    """Return the message of a GET, and whether it is JSON."""
    try:
        pairs = parse_qsl(
            request.query.decode("latin-1"),
            keep_blank_values=True,
            encoding="latin-1",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        message = f"the query has more than {_MOST_PARAMETERS} parameters"
        raise _invalid(message) from None
    query = dict(pairs)
    if len(query) < len(pairs):
        message = "each parameter must be given once"
        raise _invalid(message)
    if query.get("connect", "v1") != "v1":
        message = "connect must be v1"
        raise _invalid(message)
    if query.get("encoding") not in {"json", "proto"} or "message" not in query:
        message = "a GET needs encoding, json or proto, and message"
        raise _invalid(message)
    _check_compression(query.get("compression", ""))
    data = query["message"].encode("latin-1")
    if "base64" in query:
        if query["base64"] != "1":
            message = "base64 must be 1"
            raise _invalid(message)
        try:
            data = b64decode(data + b"=" * (-len(data) % 4), b"-_", validate=True)
        except binascii.Error:
            message = "message is not base64url"
            raise _invalid(message) from None
    return data, query["encoding"] == "json"


def _decoded(method: MethodDescriptor, data: bytes, *, as_json: bool) -> Message:
    try:
        return codec.decode(method.input_type, data, as_json=as_json)
    except codec.CodecError as error:
        raise _invalid(str(error)) from None


def _opened(body: bytes) -> bytes:
    try:
        return codec.opened(body)
    except codec.CodecError as error:
        raise _invalid(str(error)) from None


def _invalid(message: str) -> RpcFailedError:
    return RpcFailedError(Failure(grpc.StatusCode.INVALID_ARGUMENT, message))


def _trailer(kernel: str) -> dict[str, str]:
    return {"x-hashfinder-kernel": kernel} if kernel else {}
