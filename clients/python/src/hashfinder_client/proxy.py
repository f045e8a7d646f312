"""The HTTP proxy that gRPC's core connects through, where the environment names one.

The core reads these variables by itself. They never apply to this machine: a server on loopback or
a unix socket is not behind a proxy.
"""

import ipaddress
import os
from contextlib import suppress

from hashfinder_client.target import UNIX, host_of

PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
"""The first that is set counts, as in the core."""
EXCEPTION_VARIABLES = ("no_grpc_proxy", "no_proxy")
"""The hosts without a proxy, separated by commas: ends of names, addresses, networks."""


def is_local(target: str) -> bool:
    """Return whether `target`, one of the forms of `check_target`, is on this machine."""
    host = host_of(target)
    if target.startswith(UNIX) or host == "localhost" or host.endswith(".localhost"):
        return True
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback
    return False


def proxy_note(target: str) -> str:
    """Return a note on the proxy between here and `target`, for the text of a failure; or nothing.

    Without the user and the password that the proxy's address may have.
    """
    variable = _variable(target)
    if variable is None:
        return ""
    url = os.environ[variable]
    authority = (url.partition("://")[2] or url).partition("/")[0]
    address = authority.rpartition("@")[2]
    return f" (through the proxy {address} that {variable} names)"


def _variable(target: str) -> str | None:
    """Return the name of the variable whose proxy leads to `target`; None for no proxy."""
    host = host_of(target)
    exceptions = next(filter(None, map(os.environ.get, EXCEPTION_VARIABLES)), "")
    if is_local(target) or any(_matches(host, each.strip()) for each in exceptions.split(",")):
        return None
    return next((name for name in PROXY_VARIABLES if os.environ.get(name)), None)


def _matches(host: str, exception: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(exception, strict=False)
    return bool(exception) and host.endswith(exception.lower())
