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


def server_metrics(url: str, tls: Tls | None) -> str:
    """Return them in Prometheus' text format, summed over the servers at all addresses of `url`.

    Nothing of a server that cannot be asked. It blocks, for seconds where a server is silent.
    `tls` is whom to trust and what to show where the URL is one of HTTPS; None for the defaults.
    """
    return summed(fetch_all(url, tls))


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


def fetch_all(url: str, tls: Tls | None = None) -> list[str]:
    """Return what `url` answers, at every address that its host has."""
    texts = []
    for each in _addresses(url):
        try:
            texts.append(_fetch(each, tls or Tls()))
        except (OSError, ValueError):
            continue
    return texts


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


def _fetch(url: str, tls: Tls) -> str:
    handlers: list[urllib.request.BaseHandler] = []
    if url.startswith("https:"):
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
        handlers.append(urllib.request.HTTPSHandler(context=context))
    # Whatever proxy the environment names: metrics are near.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
    with opener.open(url, timeout=_SECONDS) as response:
        data: bytes = response.read(_LARGEST)
    return data.decode()
