"""Asks the gateway of this machine for a path: a health check where there is no curl."""

import http.client
import ipaddress

from hashfinder_web.config import Settings

_SECONDS = 4.0


def check(settings: Settings) -> int:
    """Return 0 if the gateway answers the path of `settings.check` with 200; else 1."""
    connection = http.client.HTTPConnection(_here(settings.host), settings.port, timeout=_SECONDS)
    try:
        connection.request("GET", f"/{settings.check.lstrip('/')}")
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()
    return 0 if response.status == http.client.OK else 1


def _here(host: str) -> str:
    """Return where something that listens on `host` can be reached."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "::1" if address.version == 6 else "127.0.0.1"  # noqa: PLR2004  # IPv6
