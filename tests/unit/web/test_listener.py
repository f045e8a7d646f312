"""The sockets of the gateway."""

import errno
import os
import socket
from typing import Any

import pytest

from hashfinder_web.listener import BindError, listen


@pytest.fixture
def both_families(monkeypatch: pytest.MonkeyPatch) -> None:
    """`localhost` has an address of each family, of which the machine lacks the second."""
    create = socket.create_server

    def resolve(*_: object, **__: object) -> list[Any]:
        return [
            (socket.AF_INET, 1, 6, "", ("127.0.0.1", 0)),
            (socket.AF_INET6, 1, 6, "", ("::1", 0, 0, 0)),
        ]

    def create_server(address: Any, **options: Any) -> socket.socket:  # noqa: ANN401  # as in socket
        if ":" in address[0]:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        return create(address, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_server", create_server)


@pytest.mark.usefixtures("both_families")
def test_address_that_the_machine_lacks_is_left_out() -> None:
    """As ``::1`` is where IPv6 is switched off, though a file of hosts names it."""
    listeners = listen("localhost", 0, 10)
    assert ["127.0.0.1"] == [each.getsockname()[0] for each in listeners]
    for each in listeners:
        each.close()


@pytest.mark.usefixtures("both_families")
def test_no_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the host."""

    def refuse(_address: object, **_: object) -> None:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(BindError, match="cannot listen on localhost:0: Cannot assign"):
        listen("localhost", 0, 10)
