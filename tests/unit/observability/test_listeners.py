"""Listening on all addresses of a host, with one port."""

import errno
import socket
from typing import Any

import pytest

from hashfinder.observability import listeners


def reached(port: int, address: str) -> bool:
    """Return whether a server listens there."""
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


def resolving_to(*addresses: str) -> Any:  # noqa: ANN401  # a stand-in
    """Return a fake resolver with these addresses, each listed twice."""

    def resolve(*_args: object, **_kwargs: object) -> list[tuple[Any, ...]]:
        v4 = socket.AF_INET, socket.SOCK_STREAM, 6, ""
        v6 = socket.AF_INET6, socket.SOCK_STREAM, 6, ""
        found = [(*v6, (a, 0, 0, 0)) if ":" in a else (*v4, (a, 0)) for a in addresses]
        return found + found

    return resolve


@pytest.mark.parametrize("addresses", [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_name_of_both_families_listens_on_both(
    addresses: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both use the same port, as gRPC does for `localhost`."""
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to(*addresses))
    both = listeners.listen("localhost", 0)
    monkeypatch.undo()
    assert 2 == len(both)
    port = both[0].getsockname()[1]
    assert [True, True] == [reached(port, address) for address in addresses]
    assert not any(listener.getblocking() for listener in both)
    listeners.close(both)


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])  # noqa: S104  # the test's subject
def test_wildcard_is_both_families(wildcard: str) -> None:
    """As in gRPC."""
    one = listeners.listen(wildcard, 0)
    port = one[0].getsockname()[1]
    assert [True, True] == [reached(port, address) for address in ("127.0.0.1", "::1")]
    listeners.close(one)


def test_unavailable_address_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as `::1` in the hosts file of a machine without IPv6; alone it is an error."""
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to("2001:db8::1", "127.0.0.1"))
    [one] = listeners.listen("localhost", 0)
    assert "127.0.0.1" == one.getsockname()[0]
    one.close()
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to("192.0.2.1"))
    with pytest.raises(OSError, match="assign requested address"):
        listeners.listen("elsewhere", 0)


def test_address_in_use_is_an_error_and_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A host is not served in part: another process has the rest."""
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to("127.0.0.1", "::1"))
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError) as caught:  # noqa: PT011  # its number is below
            listeners.listen("localhost", port)
        assert errno.EADDRINUSE == caught.value.errno
        assert not reached(port, "127.0.0.1")


@pytest.mark.parametrize("host", ["a" * 70, "no.such.host.invalid", "..", "\udcff"])
def test_invalid_host_is_an_error_of_the_system(host: str) -> None:
    """It has a text for the operator."""
    with pytest.raises(OSError) as caught:  # noqa: PT011  # whatever its number
        listeners.listen(host, 0)
    assert caught.value.strerror
