"""For tests of clients: types, a server that follows a script, and valid results."""

import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha1

import grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse
from hashfinder_proto.hash_name_pb2_grpc import HashFinderServicer

Script = Callable[[HashNameRequest, grpc.ServicerContext], Iterator[HashNameResponse]]
Serve = Callable[[HashFinderServicer], str]
ServeScript = Callable[[Script], str]
Start = Callable[..., subprocess.Popen[str]]
Run = Callable[..., subprocess.CompletedProcess[str]]


def hash_of(secret: bytes) -> str:
    """Return the base64 text of the SHA-1 of `secret`."""
    return b64encode(sha1(secret, usedforsecurity=False).digest()).decode()


def distance_between(name: str, text: str) -> int:
    """Return the smallest distance of `name` from a part of `text`."""
    places = range(len(text) - len(name) + 1)
    return min(
        sum(a.lower() != b.lower() for a, b in zip(name, text[i:], strict=False)) for i in places
    )


def valid_response(name: str, secret: bytes = b"", position: int | None = None) -> HashNameResponse:
    """Return a valid result for `name`, by default of b"" at position 0."""
    return HashNameResponse(
        secret=b64encode(secret).decode(),
        hashed_name=hash_of(secret),
        hamming_distance=distance_between(name, hash_of(secret)),
        position=position,
    )


class ScriptedServicer(HashFinderServicer):
    """Answers both RPCs as a script says; Find returns the script's first message."""

    def __init__(self, script: Script) -> None:
        """Follow `script`."""
        self._script = script

    def Find(self, request: HashNameRequest, context: grpc.ServicerContext) -> HashNameResponse:
        """Return the script's first message."""
        return next(self._script(request, context))

    def FindRange(
        self, request: HashNameRequest, context: grpc.ServicerContext
    ) -> Iterator[HashNameResponse]:
        """Stream the script's messages."""
        return self._script(request, context)
