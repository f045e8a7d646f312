"""The settings: the only reader of the environment and of the server's arguments."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import CliImplicitFlag, SettingsConfigDict

from hashfinder.domain.address import (
    ListenAddress,
    PrivateAddress,
    TcpAddress,
    is_local,
    parse_address,
)
from hashfinder.domain.allowance import Allowance
from hashfinder_process.settings import ProgramSettings, needs_tracing_of


def _check_address(text: str) -> str:
    parse_address(text)
    return text


def _check_known_address(text: str) -> str:
    if isinstance(parse_address(text), PrivateAddress):
        message = "must be HOST:PORT or unix:/path, not 'private'"
        raise ValueError(message)  # noqa: TRY004  # of a setting
    return text


def _check_local_address(text: str) -> str:
    if not is_local(parse_address(text)):
        message = (
            f"must be on loopback or unix:/path, not {text}: there is no TLS, and an operator can"
            " stop every search"
        )
        raise ValueError(message)
    return _check_known_address(text)


Address: TypeAlias = Annotated[str, AfterValidator(_check_address)]
"""The type of a setting that is an address; `parse_address` reads it."""
KnownAddress: TypeAlias = Annotated[str, AfterValidator(_check_known_address)]
"""Likewise, but not a new folder at each start."""
LocalAddress: TypeAlias = Annotated[str, AfterValidator(_check_local_address)]
"""Likewise, and on this machine alone."""


class Settings(ProgramSettings):
    """Serve HashFinder. Each flag is also an environment variable: --port is HASHFINDER_PORT.

    Examples:
      hashfinder-server
      hashfinder-server --listen unix:/run/hashfinder/grpc --no-metrics
      hashfinder-server --host 0.0.0.0 --tls-certificate server.pem --tls-key server.key
      hashfinder-server --tokens tokens --policy policy.toml --admin-listen unix:/run/admin
      hashfinder-server --client-hash-rate 50000000 --maximum-seconds 600 --drain-delay 5

    hashfinder-server new-token NAME FILE makes a token for --tokens. SIGTERM drains.
    """

    model_config = SettingsConfigDict(env_prefix="HASHFINDER_", cli_prog_name="hashfinder-server")

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address to listen on, for gRPC and metrics."""
    listen: Address | None = None
    """Where to serve gRPC, instead of on --host and --port: HOST:PORT, unix:/path, or private."""
    port: Annotated[int, Field(ge=0, le=65535)] = 50051
    """The port for gRPC; 0 for any free one."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 9464
    """The port for Prometheus; 0 for any free one."""
    metrics: CliImplicitFlag[bool] = True
    """Whether to serve metrics."""

    tls_certificate: Annotated[str, Field(min_length=1)] | None = None
    """The server's certificate, a PEM file, with those up to its CA; followed when it changes."""
    tls_key: Annotated[str, Field(min_length=1)] | None = None
    """The certificate's private key, a PEM file without a passphrase."""
    tls_client_ca: Annotated[str, Field(min_length=1)] | None = None
    """The CAs that sign clients' certificates, a PEM file: every client then needs one."""
    metrics_client_ca: Annotated[str, Field(min_length=1)] | None = None
    """The CAs that sign scrapers' certificates, a PEM file: metrics then are HTTPS, for these."""
    health_listen: KnownAddress | None = None
    """Where to serve health alone as well, in plain text: for probes, beside a port with TLS."""
    admin_listen: LocalAddress | None = None
    """Where to serve operators, in plain text: on loopback, or unix:/path."""
    plain_text: CliImplicitFlag[bool] = False
    """Whether to serve without TLS on addresses other than loopback."""

    maximum_hashes: Annotated[int, Field(ge=1, le=2**64 - 1)] = 20_000_000_000
    """The largest budget of one search, in hashes."""
    maximum_seconds: Annotated[int, Field(ge=1, le=31_536_000)] = 3600
    """How long one search may take, the time in which its client does not read included."""
    maximum_searches: Annotated[int, Field(ge=1, le=100_000)] = 1024
    """How many searches run at once."""
    maximum_searches_per_client: Annotated[int, Field(ge=1, le=100_000)] = 512
    """How many searches one client has at once, waiting ones included."""
    maximum_waiting: Annotated[int, Field(ge=0, le=100_000)] = 1024
    """How many searches wait for one under way to end."""
    wait_seconds: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """How long a search waits."""
    maximum_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """How many connections are open at once."""
    client_hash_rate: Annotated[int, Field(ge=0, le=10**15)] = 0
    """How many hashes a second one client may use on average; 0 for any number."""
    client_hash_burst: Annotated[int, Field(ge=1, le=2**64 - 1)] = 10_000_000_000
    """How many hashes a client may use at once after a rest."""
    client_identity: Literal["address", "connection"] = "address"
    """What is one client: an IP address, or a connection (behind one proxy or balancer)."""
    client_ipv6_prefix: Annotated[int, Field(ge=1, le=128)] = 64
    """How many bits of an IPv6 address tell clients apart; 128 for each address by itself."""

    tokens: Annotated[str, Field(min_length=1)] | None = None
    """The file of the tokens that clients may send, hashed; read again when it changes."""
    policy: Annotated[str, Field(min_length=1)] | None = None
    """The TOML file that says who may do what; read again when it changes."""

    workers: Annotated[int, Field(ge=1, le=1024)] | None = None
    """How many threads search; the number of usable cores where not given."""
    kernel: Annotated[str, Field(min_length=1)] = "auto"
    """The kernel: auto, native, python, or one of its backends by name."""
    chunk_seconds: Annotated[float, Field(ge=0.0001, le=1)] = 0.004
    """How long a worker searches before another search has its turn, in CPU seconds."""

    drain_delay: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """Seconds between NOT_SERVING and refusing searches, for load balancers to notice."""
    drain_grace: Annotated[float, Field(ge=0, le=86400)] = 5.0
    """Seconds for running searches to end by themselves when the server drains."""
    exit_with_stdin: CliImplicitFlag[bool] = False
    """Whether to drain when stdin ends, as it does when the program that holds it is gone."""
    keepalive_seconds: Annotated[float, Field(ge=1, le=7200)] = 20.0
    """After how many seconds of silence a connection is probed, and how long it has to answer."""
    connection_age_seconds: Annotated[int, Field(ge=0, le=86400)] = 0
    """After how many seconds a client is asked to reconnect, perhaps elsewhere; 0 for never."""

    log_format: Literal["auto", "json", "console"] = "auto"
    """How log lines look; auto is console on a terminal and json elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe log lines to write."""
    tracing: Annotated[CliImplicitFlag[bool], needs_tracing_of("hashfinder")] = False
    """Whether to send a span of each RPC by OTLP: OpenTelemetry's own variables say where."""

    @model_validator(mode="after")
    def _check_listen(self) -> Self:
        if self.listen is not None and "port" in self.model_fields_set:
            message = f"{self.named('listen')} and {self.named('port')} exclude each other"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            message = f"{self.named('tls_certificate')} and {self.named('tls_key')} need each other"
            raise ValueError(message)
        for name in ("tls_client_ca", "metrics_client_ca"):
            if getattr(self, name) is not None and self.tls_certificate is None:
                message = f"{self.named(name)} needs {self.named('tls_certificate')}"
                raise ValueError(message)
        if self.tls_certificate is not None and not isinstance(self.address, TcpAddress):
            message = f"{self.named('tls_certificate')} is for a port: a unix socket is plain text"
            raise ValueError(message)
        if self.tls_certificate is None and not self.plain_text and not is_local(self.address):
            message = (
                f"{self.address} is not loopback: give a certificate with"
                f" {self.named('tls_certificate')} and {self.named('tls_key')}, or allow plain"
                f" text with {self.named('plain_text')}"
            )
            raise ValueError(message)
        return self

    def side_address(self, name: Literal["health_listen", "admin_listen"]) -> ListenAddress | None:
        """Return where health alone, or operators, are served; None for nowhere."""
        text: str | None = getattr(self, name)
        return None if text is None else parse_address(text)

    @property
    def allowance(self) -> Allowance:
        """What a client may have where no policy says otherwise."""
        return Allowance(
            searches=self.maximum_searches_per_client,
            hash_rate=self.client_hash_rate,
            hash_burst=self.client_hash_burst,
            maximum_hashes=self.maximum_hashes,
            maximum_seconds=self.maximum_seconds,
        )

    @property
    def address(self) -> ListenAddress:
        """Where to serve gRPC."""
        return (
            TcpAddress(self.host, self.port) if self.listen is None else parse_address(self.listen)
        )
