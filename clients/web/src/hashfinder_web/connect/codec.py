"""Messages as bytes: the two codecs of the protocol, and the envelopes of a stream."""

import json
import re
import struct
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

_HEAD = struct.Struct(">BI")
_COMPRESSED = 0x01
_END = 0x02
_LONGEST_REASON = 300
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")


class CodecError(Exception):
    """The bytes are not what they should be. The client acts."""


def decode(kind: Descriptor, data: bytes, *, as_json: bool) -> Message:
    """Return the message of type `kind` in `data`.

    Raises:
        CodecError: there is none; of JSON, says what is wrong.
    """
    message = GetMessageClass(kind)()
    try:
        if as_json:
            _parse_json(data.decode(), message)
        else:
            message.ParseFromString(data)
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    except RecursionError:
        reason = "it is nested too deeply"
    except json_format.ParseError as error:
        reason = str(error)[:_LONGEST_REASON]
    except DecodeError:
        reason = "it does not decode"
    else:
        return message
    sentence = f"the message is no {kind.name} in {'JSON' if as_json else 'protobuf'}: {reason}"
    raise CodecError(sentence)


def _parse_json(text: str, message: Message) -> None:
    if not text.lstrip().startswith("{"):  # protobuf takes an empty list for no fields
        reason = "it is no object"
        raise json_format.ParseError(reason)
    json_format.Parse(text, message)
    given = json.loads(text)
    for field in message.DESCRIPTOR.fields:
        if field.type != FieldDescriptor.TYPE_BYTES:
            continue
        for name in (field.json_name, field.name):
            # protobuf skips what is no base64: the search would be for something else.
            if not _BASE64.fullmatch(given.get(name) or ""):
                reason = f"{name} is no base64"
                raise json_format.ParseError(reason)


def encode(message: Message, *, as_json: bool) -> bytes:
    """Return a message as bytes. In JSON, a field that is zero is written: a distance may be."""
    if not as_json:
        return message.SerializeToString()
    text = json_format.MessageToJson(
        message, always_print_fields_with_no_presence=True, indent=None, ensure_ascii=False
    )
    return text.encode()


def enveloped(data: bytes) -> bytes:
    """Return a message of a stream in its envelope."""
    return _HEAD.pack(0, len(data)) + data


def end_of_stream(error: dict[str, Any] | None, trailer: dict[str, str]) -> bytes:
    """Return the last envelope of a stream: the error, if there is one, and the trailer."""
    end: dict[str, Any] = {"metadata": {name: [value] for name, value in trailer.items()}}
    if error is not None:
        end["error"] = error
    data = json.dumps(end).encode()
    return _HEAD.pack(_END, len(data)) + data


def opened(body: bytes) -> bytes:
    """Return the one message in the body of a server stream's request.

    Raises:
        CodecError: the body is not exactly one envelope, or it is compressed.
    """
    if len(body) < _HEAD.size:
        text = "the body must be one message in its envelope: 5 bytes, then the message"
        raise CodecError(text)
    flags, length = _HEAD.unpack_from(body)
    if flags & _COMPRESSED:
        text = "the message is compressed, but no compression was named"
        raise CodecError(text)
    if flags or length != len(body) - _HEAD.size:
        text = "the body must be one message in its envelope, with no flags and its exact length"
        raise CodecError(text)
    return body[_HEAD.size :]
