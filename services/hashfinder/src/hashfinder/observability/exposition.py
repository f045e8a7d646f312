"""Serves the metrics over HTTP, for Prometheus to scrape."""

from prometheus_client import CollectorRegistry, start_http_server

from hashfinder.domain.errors import HashFinderError


class MetricsBindError(HashFinderError):
    """The metrics address cannot be listened on. The operator acts."""


class MetricsEndpoint:
    """``/metrics`` on a port of its own, served by a thread of its own."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        """Serve from now on; port 0 takes any free one.

        Raises:
            MetricsBindError: the address is in use, or not ours.
        """
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            message = f"cannot serve metrics on {host}:{port}: {error.strerror}"
            raise MetricsBindError(message) from error
        self.port: int = self._server.server_port
        bracketed = f"[{host}]" if ":" in host else host
        self.address = f"{bracketed}:{self.port}"

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
