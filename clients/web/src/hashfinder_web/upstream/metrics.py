"""A copy of the server's metrics: those that a page shows, not older than half a second."""

import asyncio
import time
import urllib.request
from collections.abc import Callable, Iterable

_SECONDS = 2.0
_FRESH_SECONDS = 0.5
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
    """Fetches and filters; one fetch at a time, whoever asks."""

    def __init__(
        self,
        url: str,
        fetch: Callable[[str], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take where they are."""
        self._url = url
        self._fetch = fetch or _fetch
        self._clock = clock
        self._fetching = asyncio.Lock()
        self._fetched_at = -_FRESH_SECONDS
        self._copy = ""

    async def copy(self) -> str:
        """Return the metrics in Prometheus' text format; nothing where they cannot be fetched."""
        async with self._fetching:
            if self._clock() - self._fetched_at >= _FRESH_SECONDS:
                try:
                    text = await asyncio.to_thread(self._fetch, self._url)
                except (OSError, ValueError):
                    text = ""
                self._copy = "".join(_shown(text.splitlines(keepends=True)))
                self._fetched_at = self._clock()
            return self._copy


def _shown(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        name = line.split(" ", 3)[2] if line.startswith(("# HELP ", "# TYPE ")) else line
        if name.startswith(_SHOWN):
            yield line


def _fetch(url: str) -> str:
    # Whatever proxy the environment names: metrics are near.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_SECONDS) as response:
        data: bytes = response.read(_LARGEST)
    return data.decode()
