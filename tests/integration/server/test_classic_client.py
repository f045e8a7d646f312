"""A client of the public gRPC cancellation example, which knows only fields 1 to 3."""

from base64 import b64decode
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.integration.server import brute_force
from tests.integration.server_process import ServerProcess

Field = descriptor_pb2.FieldDescriptorProto
FIELDS = {
    "HashNameRequest": (
        ("desired_name", Field.TYPE_STRING),
        ("ideal_hamming_distance", Field.TYPE_INT32),
        ("interesting_hamming_distance", Field.TYPE_INT32),
    ),
    "HashNameResponse": (
        ("secret", Field.TYPE_STRING),
        ("hashed_name", Field.TYPE_STRING),
        ("hamming_distance", Field.TYPE_INT32),
    ),
}


def classic_messages() -> tuple[Any, Any]:
    """Return the example's request and response classes, from a separate descriptor pool."""
    file = descriptor_pb2.FileDescriptorProto(
        name="hash_name.proto", package="hash_name", syntax="proto3"
    )
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields, start=1):
            message.field.add(name=field, number=number, type=kind, label=Field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    request, response = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"hash_name.{name}"))
        for name in FIELDS
    )
    return request, response


Request, Response = classic_messages()


def as_sent(result: brute_force.Result) -> tuple[bytes, str, int]:
    """Return the parts of a result that a classic client can see."""
    return result.secret, result.hashed_name, result.distance


def as_seen(message: Any) -> tuple[bytes, str, int]:  # noqa: ANN401  # its class is made at run time
    """Return the result in a classic message."""
    return b64decode(message.secret), message.hashed_name, message.hamming_distance


def test_find(server: ServerProcess) -> None:
    """A unary call returns the first match."""
    expected = brute_force.search("doc", 0, 0, 0, 10_000).results[-1]
    with server.channel() as channel:
        find = channel.unary_unary(
            "/hash_name.HashFinder/Find", Request.SerializeToString, Response.FromString
        )
        message = find(Request(desired_name="doc"))

    assert as_sent(expected) == as_seen(message)


def test_find_range(server: ServerProcess) -> None:
    """A stream returns all interesting results, and ends with the ideal one."""
    expected = brute_force.search("doc", 0, 1, 0, 10_000).results
    with server.channel() as channel:
        find_range = channel.unary_stream(
            "/hash_name.HashFinder/FindRange", Request.SerializeToString, Response.FromString
        )
        messages = list(find_range(Request(desired_name="doc", interesting_hamming_distance=1)))

    assert [as_sent(result) for result in expected] == [as_seen(message) for message in messages]


def test_cancel(server: ServerProcess) -> None:
    """A classic client's cancel ends the search like any other's."""
    with server.channel() as channel:
        find = channel.unary_unary(
            "/hash_name.HashFinder/Find", Request.SerializeToString, Response.FromString
        )
        call = find.future(Request(desired_name="hopelessly"))
        server.wait_for_searches(1)
        call.cancel()
        server.wait_until_idle()
        with pytest.raises(grpc.FutureCancelledError):
            call.result()
