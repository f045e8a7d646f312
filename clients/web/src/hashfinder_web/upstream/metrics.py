"""The server's metrics that a page shows."""

import socket
import ssl
import urllib.request
from collections.abc import Iterable
from urllib.parse import urlsplit

from hashfinder_client import Tls

_SECONDS = 2.0
_LARGEST = 1024 * 1024
_SHOWN = (
    "hashfinder_build_info",
    "hashfinder_cancel_latency_seconds",
    "hashfinder_cancellations",
    "hashfinder_clients",
    "hashfinder_draining",
    "hashfinder_hashes",
    "hashfinder_kernel_info",
    "hashfinder_searches_active",
    "hashfinder_searches_parked",
    "hashfinder_searches_queued",
    "hashfinder_workers",
)
"""How the names begin. The others are for the operator of the server."""


class ServerMetrics:
    """Asks all servers of a URL. For one thread at a time."""

    def __init__(self, url: str, tls: Tls | None = None) -> None:
        """Take where the metrics are.

        `tls` is whom to trust and what to show where the URL is one of HTTPS; None for the
        defaults. Its files are read by the first scrape and when they have changed.
        """
        self._url = url
        self._tls = tls or Tls()
        self._stamps: tuple[object, ...] = ()
        self._opener: urllib.request.OpenerDirector | None = None

    def text(self) -> str:
        """Return them in Prometheus' text format, summed over the servers at all addresses.

        Nothing of a server that cannot be asked. It blocks, for seconds where a server is silent.
        """
        return summed(self.fetch_all())

    def fetch_all(self) -> list[str]:
        """Return what the URL answers, at every address that its host has."""
        texts = []
        for each in _addresses(self._url):
            try:
                texts.append(_fetch(self._newest(), each))
            except (OSError, ValueError):
                continue
        return texts

    def _newest(self) -> urllib.request.OpenerDirector:
        """Return what opens the URL. Files of TLS that are broken change nothing.

        Raises:
            OSError: they are the first.
        """
        stamps = self._tls.stamps()
        if self._opener is None or stamps != self._stamps:
            try:
                self._opener, self._stamps = _opener(self._url, self._tls), stamps
            except OSError:  # an SSLError is one
                if self._opener is None:
                    raise
        return self._opener


def summed(texts: Iterable[str]) -> str:
    """Return the sums of the samples that a page shows, in Prometheus' text format."""
    lines: dict[str, float | None] = {}  # a comment has no value
    for text in texts:
        for line in text.splitlines():
            is_comment = line.startswith(("# HELP ", "# TYPE "))
            if not (line.split(" ", 3)[2] if is_comment else line).startswith(_SHOWN):
                continue
            if is_comment:
                lines.setdefault(line, None)
            else:
                series, _, value = line.rpartition(" ")
                lines[series] = (lines.get(series) or 0.0) + float(value)
    return "".join(
        f"{line}\n" if value is None else f"{line} {value}\n" for line, value in lines.items()
    )


def _addresses(url: str) -> list[str]:
    """Return `url` once for each address of its host. A certificate is for the host by its name."""
    if not url:
        return []
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        return [url]
    port = parts.port or 80
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    hosts = dict.fromkeys(str(address[0]) for *_, address in found)
    if parts.hostname == "localhost":  # is one server, whichever of its addresses it listens on
        return [url]
    netlocs = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in hosts]
    return [parts._replace(netloc=netloc).geturl() for netloc in netlocs]


def _opener(url: str, tls: Tls) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = []
    if url.startswith("https:"):
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
        handlers.append(urllib.request.HTTPSHandler(context=context))
    # Whatever proxy the environment names: metrics are near.
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)


def _fetch(opener: urllib.request.OpenerDirector, url: str) -> str:
    with opener.open(url, timeout=_SECONDS) as response:
        data: bytes = response.read(_LARGEST)
    return data.decode()
