"""The addresses that a server can listen on."""

import pytest

from hashfinder.domain.address import (
    LONGEST_SOCKET_PATH,
    ListenAddress,
    PrivateAddress,
    TcpAddress,
    UnixAddress,
    parse_address,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:50051", TcpAddress("127.0.0.1", 50051)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("[::1]:65535", TcpAddress("::1", 65535)),
        ("unix:/run/hashfinder.sock", UnixAddress("/run/hashfinder.sock")),
        ("private", PrivateAddress()),
        ("unix:/srv/a:b/0", UnixAddress("/srv/a:b/0")),
    ],
)
def test_address_is_read_and_written(text: str, address: ListenAddress) -> None:
    """The text of an address is also a target for clients."""
    assert address == parse_address(text)
    assert text.replace("a:b", "a%3Ab") == str(address)


def test_path_is_escaped_as_a_uri() -> None:
    """GRPC would read the rest as a query, a fragment or an escape."""
    assert "unix:/a%20b/%25%3F%23%C3%BC" == str(parse_address("unix:/a b/%?#ü"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        ":50051",
        "localhost:",
        "localhost:65536",
        "localhost:\N{ARABIC-INDIC DIGIT SEVEN}",
        "local\nhost:1",
        "::1:50051",
        "[]:1",
        "http://localhost:1",
        "unix:",
        "unix:socket",
        "unix:./socket",
        "unix:/",
        "unix:/tmp/",
        "unix:/tmp/a\nb",
        "unix:///tmp/\0",
        "unix-abstract:name",
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    """The error is one line with the allowed forms and the value."""
    with pytest.raises(ValueError, match=r"^must be HOST:PORT .*unix:/path.*private, not ") as no:
        parse_address(text)
    assert "\n" not in str(no.value)
    assert repr(text) in str(no.value)


def test_path_is_limited_to_that_of_a_socket() -> None:
    """The limit is in bytes; the system would cut the path, or refuse it without a reason."""
    longest = "/" + "a" * (LONGEST_SOCKET_PATH - 1)
    assert UnixAddress(longest) == parse_address(f"unix:{longest}")
    for path in (f"{longest}a", longest[:-1] + "ü"):
        with pytest.raises(ValueError, match="must have a path of at most 96 bytes, not 97"):
            parse_address(f"unix:{path}")
