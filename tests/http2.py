"""A small HTTP/2 client that sends any frame, even those that no library would. Loopback only."""

import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from hpack import Decoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
CONTINUATION = 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4
ENHANCE_YOUR_CALM = 11
_LARGEST_FRAME = 16_384

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame from the server."""

    type: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return the bytes of a frame; its contents are not checked."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def setting(identifier: int, value: int) -> bytes:
    """Return an entry of a SETTINGS frame."""
    return struct.pack(">HI", identifier, value)


def message(serialized: bytes) -> bytes:
    """Return a gRPC message with its prefix."""
    return struct.pack(">BI", 0, len(serialized)) + serialized


def request_headers(path: bytes, *extra: Header, **replaced: bytes) -> list[Header]:
    """Return the headers of a gRPC request; keywords replace method, authority, content_type."""
    return [
        (b":method", replaced.get("method", b"POST")),
        (b":scheme", replaced.get("scheme", b"http")),
        (b":path", path),
        (b":authority", replaced.get("authority", b"localhost")),
        (b"te", replaced.get("te", b"trailers")),
        (b"content-type", replaced.get("content_type", b"application/grpc")),
        *extra,
    ]


def encode(headers: Iterable[Header]) -> bytes:
    """Return a header block of literals; an `hpack.Encoder` would refuse some bytes."""
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in headers)


def _string(text: bytes) -> bytes:
    length = len(text)
    if length < 127:
        return bytes([length]) + text
    encoded, length = bytearray([127]), length - 127
    while length >= 128:
        encoded.append(length % 128 | 128)
        length //= 128
    encoded.append(length)
    return bytes(encoded) + text


class Connection:
    """A connection on which a test writes frames and reads the answers."""

    def __init__(self, address: str, settings: bytes = b"", source: str = "") -> None:
        """Connect, from the address `source` if given; send the preface with `settings`."""
        self.socket = connect(address, source)
        self._decoder = Decoder()
        self._unread = b""
        self._next_stream = 1
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self.socket.sendall(data)

    def request(
        self, headers: list[Header], serialized: bytes | None = b"", *, end: bool = True
    ) -> int:
        """Begin an RPC, with a message unless it is None, and return its stream number.

        Without `end` the stream stays half open.
        """
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        block = encode(headers)
        pieces = [block[n : n + _LARGEST_FRAME] for n in range(0, len(block), _LARGEST_FRAME)]
        last = len(pieces) - 1
        data = b""
        for number, piece in enumerate(pieces):
            flags = END_HEADERS if number == last else 0
            if serialized is None and end and number == 0:
                flags |= END_STREAM
            data += frame(CONTINUATION if number else HEADERS, flags, stream, piece)
        if serialized is not None:
            data += frame(DATA, END_STREAM if end else 0, stream, message(serialized))
        self.send(data)
        return stream

    def frames(self, seconds: float = 5.0) -> Iterator[Frame]:
        """Yield frames, until the server closes or is silent for so long."""
        self.socket.settimeout(seconds)
        while True:
            while len(self._unread) >= 9:
                size = int.from_bytes(self._unread[:3])
                if len(self._unread) < 9 + size:
                    break
                kind, flags, stream = struct.unpack(">BBI", self._unread[3:9])
                payload, self._unread = self._unread[9 : 9 + size], self._unread[9 + size :]
                yield Frame(kind, flags, stream, payload)
            try:
                received = self.socket.recv(65_536)
            except (TimeoutError, ConnectionError):
                return
            if not received:
                return
            self._unread += received

    def statuses(self, count: int, seconds: float = 5.0) -> dict[int, str]:
        """Return how the next `count` RPCs end: a gRPC status number, or ``reset N``, by stream."""
        ended: dict[int, str] = {}
        if not count:
            return ended
        for each in self.frames(seconds):
            if each.type == HEADERS:
                headers = dict(self._decoder.decode(each.payload, raw=True))
                if (status := headers.get(b"grpc-status")) is not None:
                    ended.setdefault(each.stream, status.decode())
            elif each.type == RST_STREAM:
                ended.setdefault(each.stream, f"reset {int.from_bytes(each.payload)}")
            if len(ended) >= count:
                break
        return ended

    def is_closed(self, seconds: float = 5.0) -> bool:
        """Return whether the server closes the connection within `seconds`."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65_536):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            pass
        return True


@contextmanager
def connections(address: str, count: int) -> Iterator[list[socket.socket]]:
    """Yield this many connections that send nothing."""
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            opened.append(connect(address))  # noqa: PERF401
        yield opened
    finally:
        for each in opened:
            each.close()


def connect(address: str, source: str = "") -> socket.socket:
    """Connect to HOST:PORT, from the address `source` if it is given, or to unix:/path."""
    if address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(10)
        connection.connect(address.removeprefix("unix:"))
        return connection
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), 10, (source, 0) if source else None)
