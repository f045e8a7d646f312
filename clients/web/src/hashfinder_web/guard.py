"""Which requests are allowed: those of our own page and of programs, not of other sites.

A page of another site can make a visitor's browser send requests here. It cannot set `Host` to a
name that is ours unless its own name resolves to this machine (DNS rebinding), and a browser says
where a request comes from: in `Sec-Fetch-Site` where the gateway's address counts as trustworthy,
as localhost does, and in `Origin` for every POST.
"""

import ipaddress
import re
from contextlib import suppress

from hashfinder_web.http import HttpError, Request

_HOST = re.compile(r"(?:\[([^\[\]]*)\]|([^\[\]:]*))(?::\d*)?", re.ASCII)
_OWN = {"same-origin", "none"}
"""Values of Sec-Fetch-Site: our page, and a person who typed the address."""


class Guard:
    """Checks requests against the names of the gateway."""

    def __init__(self, names: frozenset[str]) -> None:
        """Take the names of hosts that stand for the gateway, in lower case."""
        self._names = names | {"localhost"}

    def check_host(self, request: Request) -> None:
        """Refuse a request to a name that is not ours. An address as such is never rebound.

        Raises:
            HttpError: it is refused.
        """
        host = _name_of(request.host)
        if host in self._names or _is_address(host):
            return
        text = (
            "this gateway does not go by the name in Host; "
            "--allowed-hosts (HASHFINDER_WEB_ALLOWED_HOSTS) lists those that it does"
        )
        raise HttpError(421, text)

    def check_site(self, request: Request) -> None:
        """Refuse a request that a browser makes for a page of another site.

        Raises:
            HttpError: it is refused.
        """
        headers = request.headers
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        foreign = site is not None and site not in _OWN
        if origin is not None:
            foreign |= origin.partition("://")[2].lower() != request.host.lower()
        elif site is None and request.method == "GET":
            # Every browser says that it is one. An old one, or one that takes the address for not
            # trustworthy, does not say for whose page it asks.
            foreign = headers.get("user-agent", "").startswith("Mozilla/")
        if foreign:
            text = "requests from pages of other sites are refused"
            raise HttpError(403, text)


def _name_of(host: str) -> str:
    """Return a Host header without its port, in lower case; nothing of what is none."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2] or "").lower() if found else ""


def _is_address(host: str) -> bool:
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False
