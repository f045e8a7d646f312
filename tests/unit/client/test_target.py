"""The targets that a client may connect to."""

import pytest

from hashfinder_client.channel import channel_options
from hashfinder_client.target import check_target


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:50051",
        "localhost:1",
        "[::1]:65535",
        "dns:///hashfinder.example:50051",
        "dns://10.0.0.10/hashfinder.example:50051",
        "dns://10.0.0.10:5300/hashfinder.example:50051",
        "dns://[fd00::1]/hashfinder.example:50051",
        "dns://[fd00::1]:53/hashfinder.example:50051",
    ],
)
def test_valid_target(target: str) -> None:
    """A server, a name with all its servers, and the DNS server to use."""
    assert target == check_target(target)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "localhost",
        ":50051",
        "localhost:0",
        "localhost:65536",
        "localhost:\N{ARABIC-INDIC DIGIT SEVEN}",
        "local\nhost:50051",
        "dns:///",
        "dns:///localhost",
        "dns:///:50051",
        "dns:localhost:50051",
        "::1:50051",
        "[::1:50051",
        "http://localhost:50051",
        "unix:",
        "unix:socket",
        "unix:/",
        "unix:/tmp/",
        "unix://host/tmp/socket",
        "unix:////tmp/socket",
        "unix:/tmp/a%2",
        "unix:/tmp/a%0ab",
        "unix-abstract:socket",
    ],
)
def test_invalid_target(target: str) -> None:
    """Targets that gRPC would misread, or fail with later, are refused with the allowed forms."""
    with pytest.raises(
        ValueError, match=r"must be HOST:PORT or dns:///HOST:PORT, with .* unix:/abs"
    ) as refused:
        check_target(target)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("target", "checked"),
    [
        ("unix:/run/hashfinder.sock", "unix:/run/hashfinder.sock"),
        ("unix:///run/hashfinder.sock", "unix:/run/hashfinder.sock"),
        ("unix:/a b/%25?", "unix:/a%20b/%25%3F"),
        ("unix:/a%20b/socket", "unix:/a%20b/socket"),
    ],
)
def test_socket_on_this_machine(target: str, checked: str) -> None:
    """A URI's path is accepted as the server prints it; a plain path is escaped."""
    assert checked == check_target(target)
    assert checked == check_target(checked)


def test_path_too_long_for_a_socket() -> None:
    """The limit is in bytes, as in Linux."""
    longest = "/" + "a" * 106
    assert f"unix:{longest}" == check_target(f"unix:{longest}")
    with pytest.raises(ValueError, match="must have a path of at most 107 bytes, not 108"):
        check_target(f"unix:{longest[:-1]}%C3%BC")


@pytest.mark.parametrize("server", ["names", "10.0.0.10:", "10.0.0.10:0", "10.0.0.10:x", "fd00::z"])
def test_invalid_dns_server(server: str) -> None:
    """A DNS server must be an address, since gRPC cannot resolve its name."""
    with pytest.raises(ValueError, match="must name the DNS server as dns://IP"):
        check_target(f"dns://{server}/localhost:50051")


def test_balancing() -> None:
    """RPCs take turns among servers only if a name stands for several of them."""
    assert "round_robin" == dict(channel_options("dns:///localhost:1"))["grpc.lb_policy_name"]
    assert "grpc.lb_policy_name" not in dict(channel_options("localhost:1"))
    names = [name for name, _ in channel_options("dns:///localhost:1")]
    assert len(set(names)) == len(names)
