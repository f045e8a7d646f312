"""The settings: the only reader of the environment and of the gateway's arguments."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import CliImplicitFlag, SettingsConfigDict

from hashfinder_client.target import UNIX, check_target, host_of
from hashfinder_client.tls import Tls
from hashfinder_client.token_file import TokenFile
from hashfinder_process.settings import ProgramSettings, SettingsInvalidError, needs_tracing_of

_METRICS_PORT = 9464
_HOST_NAME = re.compile(r"[A-Za-z0-9_.-]{1,253}")


class Settings(ProgramSettings):
    """Serve HashFinder to browsers and curl. Each flag is also a variable: HASHFINDER_WEB_PORT.

    Examples:
      hashfinder-web
      hashfinder-web --server 127.0.0.1:50051 --server-metrics http://127.0.0.1:9464/metrics
      hashfinder-web --server dns:///hashfinder.example:50051 --tls --token-file token
      hashfinder-web --host 0.0.0.0 --allowed-hosts search.example --maximum-searches 200
      hashfinder-web --check readyz --port 8080
    """

    model_config = SettingsConfigDict(env_prefix="HASHFINDER_WEB_", cli_prog_name="hashfinder-web")

    server: str = "127.0.0.1:50051"
    """The server: HOST:PORT, or dns:///HOST:PORT for all servers of that name in turn."""
    tls: CliImplicitFlag[bool] = False
    """Whether to speak TLS to the server, trusting the CAs of the system, or those of --ca."""
    ca: str = ""
    """A file of CAs (PEM) to trust; the gateway then speaks TLS."""
    certificate: str = ""
    """A file with the certificate (PEM) to show to the server; the gateway then speaks TLS."""
    key: str = ""
    """A file with the private key of --certificate (PEM)."""
    token_file: str = ""
    """A file with the token to send to the server: over TLS, or on this machine."""
    on_behalf_of: CliImplicitFlag[bool] = False
    """Whether to name each client to the server, by its address. The server must trust that."""
    server_metrics: str = ""
    """The URL of the server's metrics, with the TLS above for https; empty for its port 9464."""
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """The port; 0 for any free one."""
    allowed_hosts: str = ""
    """The names that browsers may call the gateway by, separated by commas."""

    maximum_searches: Annotated[int, Field(ge=1, le=10_000)] = 256
    """How many searches are under way at once."""
    maximum_connections: Annotated[int, Field(ge=1, le=100_000)] = 1024
    """How many connections are open at once; another one closes one of the host with most."""
    maximum_seconds: Annotated[float, Field(ge=1, le=31_536_000)] = 3600.0
    """The longest deadline of a search, and that of a search without one."""
    peer_seconds: Annotated[int, Field(ge=2, le=3600)] = 10
    """After how many seconds without a sign of life a client's connection is lost."""
    drain_grace: Annotated[float, Field(ge=0, le=3600)] = 2.0
    """Seconds for running searches to end by themselves when the gateway drains."""

    check: str = ""
    """Instead of serving, ask the gateway that does on this port for a path, such as readyz."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """How log lines look; auto is console on a terminal and json elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe log lines to write."""
    tracing: Annotated[CliImplicitFlag[bool], needs_tracing_of("hashfinder-web")] = False
    """Whether to send a span of each call by OTLP: OpenTelemetry's own variables say where."""

    @field_validator("server")
    @classmethod
    def _check_server(cls, value: str) -> str:
        return check_target(value)

    @field_validator("server_metrics")
    @classmethod
    def _check_metrics(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname):
            message = f"must be a URL such as http://127.0.0.1:9464/metrics, not {value!r}"
            raise ValueError(message)
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, value: str) -> str:
        if wrong := [each for each in _names(value) if not _HOST_NAME.fullmatch(each)]:
            message = f"must be names of hosts without ports, separated by commas, not {wrong[0]!r}"
            raise ValueError(message)
        return value

    def check_files(self) -> None:
        """Read the files that settings name.

        Raises:
            SettingsInvalidError: one cannot be used.
        """
        security, _ = self.security, self.token
        try:
            if security is not None:
                security.credentials()
        except ValueError as error:
            raise _unusable(error) from None

    @property
    def security(self) -> Tls | None:
        """How to speak TLS to the server; None for plain text. Reads no file.

        Raises:
            SettingsInvalidError: a certificate is given without its key, or a key alone.
        """
        if not (self.tls or self.ca or self.certificate or self.key):
            return None
        try:
            return Tls(
                ca=self.ca or None, certificate=self.certificate or None, key=self.key or None
            )
        except ValueError as error:
            raise _unusable(error) from None

    @property
    def token(self) -> TokenFile | None:
        """The token to send to the server; None for none.

        Raises:
            SettingsInvalidError: the file cannot be used, or its token would go in plain text.
        """
        if not self.token_file:
            return None
        try:
            token = TokenFile(self.token_file)
            token.check_way(self.server, self.security)
        except ValueError as error:
            raise _unusable(error) from None
        return token

    @property
    def metrics_url(self) -> str:
        """Where the server's metrics are; empty for a unix socket, unless it is said."""
        if self.server.startswith(UNIX):
            return self.server_metrics
        host = host_of(self.server)
        bracketed = f"[{host}]" if ":" in host else host
        return self.server_metrics or f"http://{bracketed}:{_METRICS_PORT}/metrics"

    @property
    def host_names(self) -> frozenset[str]:
        """The names of `allowed_hosts`, and the one that is listened on, in lower case."""
        return frozenset(each.lower() for each in [*_names(self.allowed_hosts), self.host])


def _unusable(error: ValueError) -> SettingsInvalidError:
    """Return the error of a file, whose field the client library names."""
    field, is_named, what = str(error).partition(": ")
    message = f"--certificate and --key: {error}"
    if is_named:
        message = f"{Settings.named(field)}: {what}"
    return SettingsInvalidError(message)


def _names(value: str) -> list[str]:
    return [each.strip() for each in value.split(",") if each.strip()]
