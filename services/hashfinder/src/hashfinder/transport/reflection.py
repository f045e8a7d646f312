"""Reflection of the services, for tools such as grpcurl."""

from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from google.protobuf.descriptor import FileDescriptor
from google.rpc import error_details_pb2  # noqa: F401  # being loaded, it is reflected
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

_REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"


def add_reflection(server: grpc.aio.Server, *services: str) -> None:
    """Serve reflection of `services`, as v1 and as v1alpha: clients ask for either one alone.

    The two differ in the package name only. It also knows google.rpc's error details, since their
    module is loaded, so that tools print the details of an error in clear.
    """
    _add_v1_descriptor()
    servicer = reflection.aio.ReflectionServicer(
        (*services, _REFLECTION_V1, reflection.SERVICE_NAME), pool=_Pool()
    )
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
        servicer, server
    )
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_registered_method_handlers(_REFLECTION_V1, {"ServerReflectionInfo": handler})


class _Pool:
    """The default descriptor pool, which for reflection knows methods as well."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the pool has
        return getattr(descriptor_pool.Default(), name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802
        """Return the file of a message, a service, or a method; KeyError if there is none."""
        pool = descriptor_pool.Default()
        try:
            return pool.FindFileContainingSymbol(symbol)
        except KeyError:
            service, _, method = symbol.rpartition(".")
            pool.FindServiceByName(service).methods_by_name[method]
            return pool.FindFileContainingSymbol(service)


def _add_v1_descriptor() -> None:
    """Make v1's own description known, so that it can be described like any other service."""
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    text = text_format.MessageToString(file).replace("v1alpha", "v1")
    v1 = text_format.Parse(text, descriptor_pb2.FileDescriptorProto())
    descriptor_pool.Default().AddSerializedFile(v1.SerializeToString())
