"""Frames that no client library sends: the server answers each, and keeps serving others."""

from collections.abc import Iterator

import pytest

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.http2 import Connection, Header, request_headers
from tests.integration.server_process import ServerProcess

FIND = b"/hash_name.HashFinder/Find"
REQUEST = HashNameRequest(desired_name="a").SerializeToString()
HOPELESS = HashNameRequest(desired_name="hopelesshopeless")
OK, CANCELLED, INVALID_ARGUMENT, UNIMPLEMENTED, INTERNAL = "0", "1", "3", "12", "13"


@pytest.fixture
def search(server: ServerProcess) -> Iterator[None]:
    """A search of another client, which must still run when the test ends."""
    with server.stub() as stub:
        call = stub.Find.future(HOPELESS, timeout=60)
        server.wait_for_searches(1)
        yield
        assert not call.done()
        call.cancel()


def assert_serving(server: ServerProcess) -> None:
    """A new client gets its answer, and the accept loop has not been restarted."""
    with server.stub() as stub:
        assert stub.Find(HashNameRequest(desired_name="a"), timeout=10).position >= 0
    assert 0 == server.metric("hashfinder_accept_loops_replaced_total")


@pytest.mark.usefixtures("search")
@pytest.mark.parametrize(
    "path",
    [
        b"/\xff",
        b"\xff\xfe",
        b"/hash_name.HashFinder/\xff",
        b"/\xff/Find",
        b"/hash_name.HashFinder/Find\xff",
        b"",
        b"/",
        b"//",
        b"Find",
        b"/" + b"x" * 4000,
        b"/hash_name.HashFinder/Find/",
        b"/hash_name.HashFinder/\0",
        "/hash_name.HashFinder/Fínd".encode(),
    ],
)
def test_unknown_path_is_unimplemented_whatever_its_bytes(
    server: ServerProcess, path: bytes
) -> None:
    """Ten such requests on one connection do not prevent the next valid one from being served."""
    with Connection(server.address) as connection:
        streams = [connection.request(request_headers(path), REQUEST) for _ in range(10)]
        assert dict.fromkeys(streams, UNIMPLEMENTED) == connection.statuses(10)
        stream = connection.request(request_headers(FIND), REQUEST)
        assert {stream: OK} == connection.statuses(1)
    assert_serving(server)


@pytest.mark.usefixtures("search")
@pytest.mark.parametrize(
    ("extra", "replaced", "statuses"),
    [
        ((), {"method": b"\xff\xff"}, (INTERNAL,)),
        ((), {"method": b"GET"}, ("reset 2", "reset 1")),
        ((), {"method": b""}, (INTERNAL,)),
        ((), {"authority": b"\xff\xfe"}, (OK,)),
        ((), {"authority": b""}, (OK,)),
        ((), {"content_type": b"text/plain"}, (OK,)),
        ((), {"content_type": b"\xff"}, (OK,)),
        ((), {"scheme": b"\xff"}, (INTERNAL, OK)),
        ((), {"te": b"\xff"}, (INTERNAL, OK)),
        (((b"grpc-timeout", b"\xff"),), {}, (INTERNAL,)),
        (((b"grpc-timeout", b"-1S"),), {}, (INTERNAL,)),
        (((b"grpc-timeout", b"99999999999999999999S"),), {}, (OK,)),
        (((b"grpc-timeout", b"0n"),), {}, ("4", "reset 8", CANCELLED, OK)),
        (((b"grpc-encoding", b"unknown"),), {}, (INTERNAL,)),
        (((b"grpc-encoding", b"\xff"),), {}, (INTERNAL,)),
        (((b"grpc-accept-encoding", b"\xff"),), {}, (OK,)),
        (((b"a", b"\xff\xfe"),), {}, (OK,)),
        (((b"\xff", b"a"),), {}, (INTERNAL,)),
        (((b"ABC", b"a"),), {}, (INTERNAL,)),
        (((b"", b"a"),), {}, (INTERNAL,)),
        (((b"a", b"\0\r\n"),), {}, (OK,)),
        (((b"x-request-id", b"\xff"),), {}, (OK,)),
        (((b"x-request-id", b"a"), (b"x-request-id", b"b")), {}, (OK,)),
        (((b"user-agent", b"\xff"),), {}, (OK,)),
        (((b"a-bin", b"\xff!!"),), {}, (INTERNAL, "none")),
    ],
    ids=str,
)
def test_invalid_header_affects_its_stream_alone(
    server: ServerProcess,
    extra: tuple[Header, ...],
    replaced: dict[str, bytes],
    statuses: tuple[str, ...],
) -> None:
    """If gRPC answers such a header, it ends that stream alone."""
    with Connection(server.address) as connection:
        stream = connection.request(request_headers(FIND, *extra, **replaced), REQUEST)
        wait = 0.5 if "none" in statuses else 5.0
        assert connection.statuses(1, wait).get(stream, "none") in statuses
    assert_serving(server)


@pytest.mark.usefixtures("search")
@pytest.mark.parametrize("size", [5_000, 20_000, 200_000, 2_000_000])
def test_server_survives_metadata_of_any_size(server: ServerProcess, size: int) -> None:
    """Large metadata is served or refused: gRPC announces a limit, but does not enforce it."""
    headers = request_headers(
        FIND, *((f"x-{n}".encode(), b"v" * 1000) for n in range(size // 1000))
    )
    with Connection(server.address) as connection:
        try:
            stream = connection.request(headers, REQUEST)
            status = connection.statuses(1).get(stream, "closed")
        except ConnectionError:
            status = "closed"
    assert status in ({OK} if size == 5_000 else {OK, "8", "closed", "reset 11"})
    assert_serving(server)
