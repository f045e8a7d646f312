"""What hostile peers send: RPCs and frames that cost the server more than the peer.

A `Build` returns the bytes of one such RPC on the given stream, or of one such frame.
"""

import struct
from collections.abc import Callable

from tests.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    RST_STREAM,
    SETTINGS,
    encode,
    frame,
    message,
    request_headers,
    setting,
)

FIND = b"/hash_name.HashFinder/Find"
FIND_RANGE = b"/hash_name.HashFinder/FindRange"
ESTIMATE = b"/hash_name.HashFinder/Estimate"
CHECK = b"/grpc.health.v1.Health/Check"
WATCH = b"/grpc.health.v1.Health/Watch"
REFLECTION = b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

Build = Callable[[int], bytes]


def headers_and_reset(stream: int) -> bytes:
    """Open a stream, and cancel it at once."""
    opened = frame(HEADERS, END_HEADERS, stream, encode(request_headers(FIND)))
    return opened + frame(RST_STREAM, 0, stream, (8).to_bytes(4))


def headers_alone(stream: int) -> bytes:
    """Open a stream without ever sending its message."""
    return frame(HEADERS, END_HEADERS, stream, encode(request_headers(FIND)))


def health_check(stream: int) -> bytes:
    """Send a health check, without waiting for the answer."""
    opened = frame(HEADERS, END_HEADERS, stream, encode(request_headers(CHECK)))
    return opened + frame(DATA, END_STREAM, stream, message(b""))


def large_headers(stream: int) -> bytes:
    """Open a stream with 15 kB of headers, twice the limit that the server announces."""
    block = encode(request_headers(FIND, (b"x-large", b"v" * 15_000)))
    opened = frame(HEADERS, END_HEADERS, stream, block)
    return opened + frame(DATA, END_STREAM, stream, message(b""))


def header_bomb(stream: int) -> bytes:
    """Open a stream with a few kB that HPACK expands to 12 MB: one long entry, 3,000 times."""
    entry = b"\x40" + encode([(b"x", b"v" * 4_000)])[1:]
    block = encode(request_headers(FIND)) + entry + b"\xbe" * 3_000
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, block)


def settings_to_acknowledge(_stream: int) -> bytes:
    """Change a setting, which the server must acknowledge."""
    return frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 65_535))


def endless_headers(stream: int) -> bytes:
    """Begin a header block, or continue it, without ending it."""
    piece = encode([(b"x-piece", b"v" * 4_000)])
    return frame(HEADERS if stream == 1 else CONTINUATION, 0, 1, piece)


def unknown_method(stream: int) -> bytes:
    """Call a method that does not exist."""
    opened = frame(HEADERS, END_HEADERS, stream, encode(request_headers(b"/a.B/C\xff")))
    return opened + frame(DATA, END_STREAM, stream, message(b""))


def call(path: bytes, serialized: bytes, *more: tuple[bytes, bytes], flag: int = 0) -> Build:
    """Return what builds an RPC with one message; `flag` marks it as compressed."""
    block = encode(request_headers(path, *more))
    data = struct.pack(">BI", flag, len(serialized)) + serialized

    def build(stream: int) -> bytes:
        opened = frame(HEADERS, END_HEADERS, stream, block)
        return opened + frame(DATA, END_STREAM, stream, data)

    return build


def ping(_stream: int) -> bytes:
    """Send a ping, which the server must answer."""
    return frame(PING, 0, 0, bytes(8))
