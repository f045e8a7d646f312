"""Where a server listens, as the operator writes it: HOST:PORT, unix:/path, or private."""

import ipaddress
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

ADDRESS_FORMS = "HOST:PORT with a port from 0 to 65535, unix:/path of a file, or private"
LONGEST_SOCKET_PATH = 96
"""Bytes. Systems take 103 or 107, and a socket has a longer name while it is made."""

_TCP = re.compile(r"(?:\[(?P<ipv6>[^\]/]+)\]|(?P<host>[^:/\[\]]+)):(?P<port>\d{1,5})", re.ASCII)
_UNIX = "unix:"
_PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A port of a host."""

    host: str
    """A name or an address, without brackets."""
    port: int
    """0: any free one."""

    def __str__(self) -> str:
        """Return HOST:PORT."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A unix socket, for clients on this machine alone."""

    path: str
    """Absolute."""

    def __str__(self) -> str:
        """Return the target that gRPC takes: a URI, so that a space is %20."""
        return _UNIX + quote(self.path)


@dataclass(frozen=True, slots=True)
class PrivateAddress:
    """A unix socket in a new folder, which only this user can enter and which goes at the end."""

    def __str__(self) -> str:
        """Return what the operator wrote."""
        return _PRIVATE


ListenAddress: TypeAlias = TcpAddress | UnixAddress | PrivateAddress


def parse_address(text: str) -> ListenAddress:
    """Return the address that `text` is.

    Raises:
        ValueError: it is none. The message is what follows the name of the setting: "must be ...".
    """
    if text.startswith(_UNIX):
        return UnixAddress(_checked_path(text.removeprefix(_UNIX)))
    if text == _PRIVATE:
        return PrivateAddress()
    found = _TCP.fullmatch(text)
    if found is None or not text.isprintable() or int(found["port"]) >= 2**16:
        message = f"must be {ADDRESS_FORMS}, not {text!r}"
        raise ValueError(message)
    return TcpAddress(found["ipv6"] or found["host"], int(found["port"]))


def is_local(address: ListenAddress) -> bool:
    """Return whether only this machine reaches `address`: loopback, or a socket."""
    if not isinstance(address, TcpAddress):
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(address.host).is_loopback
    return address.host == "localhost"


def _checked_path(path: str) -> str:
    if not path.startswith("/") or path.endswith("/") or not path.isprintable():
        message = f"must be {ADDRESS_FORMS}, not {_UNIX + path!r}"
        raise ValueError(message)
    size = len(os.fsencode(path))
    if size > LONGEST_SOCKET_PATH:
        message = f"must have a path of at most {LONGEST_SOCKET_PATH} bytes, not {size}: {path!r}"
        raise ValueError(message)
    return path
