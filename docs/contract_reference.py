"""The reference of the contract: the comments of the .proto files as Markdown.

protoc reads the files, so that the reference has what a compiler sees, in the order of the files.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from docs.markdown_table import table

PROTO_ROOT = Path(__file__).parents[1] / "proto"
_FILES = ("hash_name.proto", "hash_name_admin.proto")
_Path: TypeAlias = tuple[int, ...]
_SYNTAX: _Path = (FileDescriptorProto.SYNTAX_FIELD_NUMBER,)
_STATUS = re.compile(r"[A-Z_]{2,}(, [A-Z_]+)*:")
_REASON = re.compile(r"  [A-Z_]{6,} with ")


def contract_reference() -> str:
    """Return the reference of both files: services, then messages, then enumerations."""
    return "\n".join(line for file in _descriptors() for line in _file(file))


@cache
def _descriptors() -> list[FileDescriptorProto]:
    with TemporaryDirectory() as folder:
        target = Path(folder) / "set"
        asked = ("--include_source_info", f"--descriptor_set_out={target}")
        command = [sys.executable, "-m", "grpc_tools.protoc", "--proto_path=.", *asked, *_FILES]
        subprocess.run(command, cwd=PROTO_ROOT, check=True)
        return list(FileDescriptorSet.FromString(target.read_bytes()).file)


def _file(file: FileDescriptorProto) -> Iterator[str]:
    comments = {tuple(place.path): place for place in file.source_code_info.location}

    def comment(path: _Path) -> str:
        return comments[path].leading_comments

    yield f"## {file.name}\n"
    yield from _prose(comments[_SYNTAX].leading_detached_comments[0])
    for index, service in enumerate(file.service):
        yield from _service(service, (file.SERVICE_FIELD_NUMBER, index), comment)
    for index, message in enumerate(file.message_type):
        yield from _message(message, (file.MESSAGE_TYPE_FIELD_NUMBER, index), comment)
    for index, enumeration in enumerate(file.enum_type):
        yield from _enumeration(enumeration, (file.ENUM_TYPE_FIELD_NUMBER, index), comment)


def _service(
    service: ServiceDescriptorProto, path: _Path, comment: Callable[[_Path], str]
) -> Iterator[str]:
    yield f"### {service.name}\n"
    yield from _prose(comment(path))
    for index, method in enumerate(service.method):
        yield f"#### {service.name}.{method.name}\n"
        yield _signature(method) + "\n"
        yield from _prose(comment((*path, service.METHOD_FIELD_NUMBER, index)))


def _signature(method: MethodDescriptorProto) -> str:
    stream = "stream of " if method.server_streaming else ""
    return f"{_link(method.input_type)} → {stream}{_link(method.output_type)}"


def _message(
    message: DescriptorProto, path: _Path, comment: Callable[[_Path], str]
) -> Iterator[str]:
    yield f"### {message.name}\n"
    yield from _prose(comment(path))
    rows = [
        (
            str(field.number),
            f"`{field.name}`",
            _type(field, message),
            _cell(comment((*path, message.FIELD_FIELD_NUMBER, index))),
        )
        for index, field in enumerate(message.field)
    ]
    if rows:
        yield table(("number", "field", "type", "meaning"), rows)


def _enumeration(
    enumeration: EnumDescriptorProto, path: _Path, comment: Callable[[_Path], str]
) -> Iterator[str]:
    yield f"### {enumeration.name}\n"
    yield from _prose(comment(path))
    rows = [
        (
            str(value.number),
            f"`{value.name}`",
            _cell(comment((*path, enumeration.VALUE_FIELD_NUMBER, index))),
        )
        for index, value in enumerate(enumeration.value)
    ]
    yield table(("number", "value", "meaning"), rows)


def _type(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    name = _link(field.type_name) if field.type_name else _plain_type(field)
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {name}"
    if field.proto3_optional:
        return f"optional {name}"
    if field.HasField("oneof_index"):
        return f"{name}, one of `{message.oneof_decl[field.oneof_index].name}`"
    return name


def _plain_type(field: FieldDescriptorProto) -> str:
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _link(type_name: str) -> str:
    name = type_name.lstrip(".")
    package, _, own = name.rpartition(".")
    return f"[{own}](#{own.lower()})" if package == "hash_name" else f"`{name}`"


def _prose(comment: str) -> Iterator[str]:
    """Yield a comment as Markdown; what begins with a status code or a reason is an item."""
    items: list[str] = []
    for paragraph in comment.strip("\n").split("\n\n"):
        first, *others = [line.removeprefix(" ") for line in paragraph.splitlines()]
        if not _STATUS.match(first):
            assert not items, "prose follows the status codes"  # noqa: S101 - it would be lost
            yield " ".join((first, *map(str.strip, others))) + "\n"
            continue
        codes, _, rest = first.partition(":")
        items.append(f"- **{codes}:**{rest}")
        for line in others:
            if _REASON.match(line):
                items.append(f"  - {line.strip()}")
            else:
                items[-1] += f" {line.strip()}"
    if items:
        yield "\n".join(items) + "\n"


def _cell(comment: str) -> str:
    return " ".join(comment.split()).replace("|", r"\|")
