"""What a server's address may be, checked before gRPC sees it."""

import ipaddress
import os
import re
from urllib.parse import quote, unquote

BALANCED = "dns://"
"""How a target begins whose RPCs go round all the addresses of its name."""
UNIX = "unix:"
"""How the target of a socket on this machine begins."""
FORMS = "HOST:PORT or dns:///HOST:PORT, with a port from 1 to 65535, or unix:/absolute/path"
LONGEST_PATH = 107
"""Bytes of a socket's path that Linux takes."""

_TARGET = re.compile(
    r"(?:dns://(?P<authority>[^/]*)/)?(?:\[[^/\]]+\]|[^/:\[\]]+):(?P<port>\d{1,5})", re.ASCII
)
_PATH = re.compile(r"(?://)?(?P<path>/(?:[^%]|%[0-9a-fA-F]{2})*)")


def check_target(target: str) -> str:
    """Return `target` as gRPC takes it, if it can be one.

    HOST:PORT is one server. ``dns:///HOST:PORT`` is every server that the name has an address of;
    ``dns://IP:PORT/HOST:PORT`` asks the DNS server at IP:PORT for them. ``unix:/path`` and
    ``unix:///path`` are a server on this machine; a path may have ``%20`` for a space.

    Raises:
        ValueError: it cannot; says what is allowed.
    """
    if target.startswith(UNIX):
        return _unix_target(target)
    found = _TARGET.fullmatch(target)
    # gRPC would take port 99999 for 34463, and a missing one for 443.
    if found is None or not target.isprintable() or not 0 < int(found["port"]) < 2**16:
        message = f"must be {FORMS}, not {target!r}"
        raise ValueError(message)
    if found["authority"]:
        _check_authority(found["authority"], target)
    return target


def host_of(target: str) -> str:
    """Return the name or the address, without brackets, that a checked `target` leads to."""
    return target.rpartition("/")[2].rpartition(":")[0].strip("[]").lower()


def _unix_target(target: str) -> str:
    found = _PATH.fullmatch(target.removeprefix(UNIX))
    path = unquote(found["path"]) if found else ""
    if path.startswith("//") or path.endswith("/") or not path.isprintable() or not path:
        message = f"must be {FORMS}, not {target!r}"
        raise ValueError(message)
    size = len(os.fsencode(path))
    if size > LONGEST_PATH:
        message = f"must have a path of at most {LONGEST_PATH} bytes, not {size}: {target!r}"
        raise ValueError(message)
    return UNIX + quote(path)


def _check_authority(authority: str, target: str) -> None:
    """Refuse a DNS server that is not given by its address: gRPC cannot resolve its name."""
    host, _, port = authority.rpartition(":")
    if authority.endswith("]") or not host:
        host, port = authority, "53"
    try:
        ipaddress.ip_address(host.strip("[]"))
        is_port = port.isascii() and port.isdecimal() and 0 < int(port) < 2**16
    except ValueError:
        is_port = False
    if not is_port:
        message = f"must name the DNS server as dns://IP/ or dns://IP:PORT/, not {target!r}"
        raise ValueError(message)
