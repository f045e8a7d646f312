"""``GET /find/NAME``: an estimate, then a search, line by line."""

from contextlib import aclosing

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.descriptor import ServiceDescriptor
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status

from hashfinder_proto.hash_name_pb2 import HashNameResponse
from hashfinder_web.asgi import Send
from hashfinder_web.connect.codes import http_status
from hashfinder_web.find import lines
from hashfinder_web.find.parameters import Parameters, ParametersInvalidError, parse
from hashfinder_web.gateway import Gateway
from hashfinder_web.http import HttpError, Request, respond, start, write
from hashfinder_web.upstream.failure import Failure, RpcFailedError
from hashfinder_web.upstream.rpc import Caller, Reply

_LINES = "application/x-ndjson"
_ESTIMATE_SECONDS = 10.0
_END_OF_POSITIONS = 2**64
_NEW_FIELDS = (
    "hash_algorithm", "digest_encoding", "anchor", "case_sensitive", "wildcard", "secret_prefix",
    "secret_suffix", "secret_alphabet", "secret_length",
)  # fmt: skip
"""The fields that a server without Estimate does not know: it would search for something else."""


class FindRoute:
    """Serves ``/find/NAME``."""

    prefix = b"/find/"
    """How its paths begin."""

    def __init__(self, service: ServiceDescriptor, gateway: Gateway) -> None:
        """Take the service that searches, and what makes the RPCs."""
        self._estimate = service.methods_by_name["Estimate"]
        self._find = service.methods_by_name["FindRange"]
        self._gateway = gateway

    async def serve(self, request: Request, send: Send) -> None:
        """Answer a request whose path begins so.

        A search that cannot begin has the HTTP status that says why. Once it has begun, that is
        200, and the last line says how it ended.

        Raises:
            HttpError: the request is none of these.
            ClientGoneError: the client left.
        """
        if request.method != "GET":
            raise HttpError(405, "the method must be GET", [("allow", "GET")])
        await request.body(0)
        caller = self._gateway.caller(request)
        headers = [("x-request-id", caller.request_id)]
        parameters: Parameters | None = None
        reply, last = Reply(), _Last()
        begun = False
        try:
            parameters = _parameters(request, self._gateway.maximum_seconds)
            async with self._gateway.call(request, caller, "find", self._find.name):
                first = await self._estimated(parameters, caller)
                await start(send, 200, _LINES, headers)
                begun = True
                if first:
                    await write(send, first)
                messages = self._gateway.upstream.stream(
                    self._find, parameters.message, caller, parameters.seconds, reply
                )
                async with aclosing(messages):
                    async for each in messages:
                        assert isinstance(each, HashNameResponse)  # noqa: S101  # the method's type
                        last.take(each)
                        await write(send, lines.response_line(each))
        except RpcFailedError as error:
            end = lines.failure_line(
                error.failure, caller.request_id, parameters, last.next_position
            )
            if not begun:
                await respond(send, http_status(error.failure.code), _LINES, end, headers)
                return
        else:
            resume = parameters.resumed(last.next_position) if last.next_position else None
            end = lines.found_line(caller.request_id, reply.kernel, resume)
        await write(send, end, more=False)

    async def _estimated(self, parameters: Parameters, caller: Caller) -> bytes:
        """Return the line of the estimate; nothing of a server that has none.

        Raises:
            RpcFailedError: the search is refused, or the server would search for something else.
        """
        seconds = min(parameters.seconds, _ESTIMATE_SECONDS)
        try:
            estimate, _ = await self._gateway.upstream.unary(
                self._estimate, parameters.message, caller, seconds
            )
        except RpcFailedError as error:
            is_old = error.failure.code is grpc.StatusCode.UNIMPLEMENTED
            asked = {each.name for each, _ in parameters.message.ListFields()}
            if is_old and not asked.intersection(_NEW_FIELDS):
                return b""
            raise
        return lines.estimate_line(estimate)


class _Last:
    """How far the search has come, by what was sent of it."""

    def __init__(self) -> None:
        self.next_position: int | None = None

    def take(self, response: HashNameResponse) -> None:
        progress = response.progress
        if response.HasField("position"):
            following = response.position + 1
            self.next_position = following if following < _END_OF_POSITIONS else None
        elif progress.HasField("next_position"):
            self.next_position = progress.next_position


def _parameters(request: Request, maximum_seconds: float) -> Parameters:
    name = request.path.removeprefix(FindRoute.prefix)
    try:
        return parse(name, request.query, maximum_seconds)
    except ParametersInvalidError as error:
        text = "; ".join(f"{name} {reason}" for name, reason in error.violations)
        bad = BadRequest(
            field_violations=[
                BadRequest.FieldViolation(field=name, description=reason)
                for name, reason in error.violations
            ]
        )
        details = [Packed(), Packed()]
        details[0].Pack(ErrorInfo(domain="hashfinder", reason="INVALID_REQUEST"))
        details[1].Pack(bad)
        code = grpc.StatusCode.INVALID_ARGUMENT
        status = Status(code=code.value[0], message=text, details=details)
        raise RpcFailedError(Failure(code, text, status)) from None
