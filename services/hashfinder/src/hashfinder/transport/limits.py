"""The bounds of HTTP/2 and of gRPC's core, derived from those of the server itself."""

from dataclasses import dataclass, replace

from hashfinder.domain.address import ListenAddress

_LARGEST_REQUEST_BYTES = 64 * 1024
_LARGEST_METADATA_BYTES = 8 * 1024
"""Of one request's headers, as announced to clients. A sender that ignores it is still parsed."""
_LONGEST_PENDING_SECONDS = 3600
_NO_BOUND_MS = 2**31 - 1
"""How gRPC writes a time that does not end."""
_HANDSHAKE_SECONDS = 5
SIDE_CONNECTIONS = 128
"""To the address of health, and to that of operators."""
_SIDE_IDLE_SECONDS = 30
_OTHER_STREAMS = 100
"""Of a connection, beyond its searches: refusals, health checks, reflection."""
_PING_INTERVAL_SECONDS = 5
_PING_STRIKES = 2


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the operator decides about the transport."""

    address: ListenAddress
    """Where to serve searches."""
    pending_rpcs: int
    """How many RPCs gRPC itself may hold back before it drops them without a word of ours."""
    searches_per_client: int
    """How many searches one client may have, over one connection or many."""
    connections: int
    """How many connections may be open; the next one is closed at once."""
    keepalive_seconds: float
    """After how much silence a connection is probed, so that a dead peer frees its search."""
    connection_age_seconds: int
    """After how long a client is asked to reconnect, so that new servers get work; 0: never."""
    longest_rpc_seconds: float
    """How long the RPCs of a connection that has aged may continue."""
    idle_seconds: int = 3600
    """After how long without an RPC a connection is closed; clients reconnect by themselves."""
    health: ListenAddress | None = None
    """Where to serve health alone, in plain text; None for nowhere else."""
    admin: ListenAddress | None = None
    """Where operators are served, in plain text; None for nowhere."""


def side_options(options: ServerOptions) -> ServerOptions:
    """Return the options for the addresses of health and operators: few connections, briefly."""
    return replace(
        options,
        connections=SIDE_CONNECTIONS,
        connection_age_seconds=0,
        idle_seconds=_SIDE_IDLE_SECONDS,
    )


def channel_arguments(options: ServerOptions) -> list[tuple[str, int]]:
    """Return the arguments of a gRPC server."""
    keepalive_ms = int(options.keepalive_seconds * 1000)
    grace_ms = min(int(options.longest_rpc_seconds * 1000), _NO_BOUND_MS)
    age_ms = options.connection_age_seconds * 1000 or _NO_BOUND_MS
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.enable_channelz", 1),
        ("grpc.max_receive_message_length", _LARGEST_REQUEST_BYTES),
        ("grpc.server.max_pending_requests", options.pending_rpcs),
        ("grpc.server.max_pending_requests_hard_limit", options.pending_rpcs),
        # Else one that waits 30 s for the event loop is dropped, as CANCELLED.
        ("grpc.server_max_unrequested_time_in_server", _LONGEST_PENDING_SECONDS),
        ("grpc.keepalive_time_ms", keepalive_ms),
        ("grpc.keepalive_timeout_ms", keepalive_ms),
        ("grpc.http2.ping_timeout_ms", keepalive_ms),  # else it may take a minute
        ("grpc.keepalive_permit_without_calls", 1),
        # At that age, give or take a tenth, a connection takes no new RPC and ends with its
        # last one, for which it waits longer than any takes.
        ("grpc.max_connection_age_ms", age_ms),
        ("grpc.max_connection_age_grace_ms", grace_ms),
        ("grpc.max_connection_idle_ms", options.idle_seconds * 1000),
        ("grpc.max_allowed_incoming_connections", options.connections),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_SECONDS * 1000),
        # A client waits by itself where it has more: all searches that it may have, and some room
        # in which the surplus gets its refusal, and health checks their answer.
        ("grpc.max_concurrent_streams", options.searches_per_client + _OTHER_STREAMS),
        # It would refuse streams of a client that keeps to the limit: it counts those that have
        # ended for the client, and not quite for us. Resets are bounded without it.
        ("grpc.http.overload_protection", 0),
        ("grpc.absolute_max_metadata_size", _LARGEST_METADATA_BYTES),
        ("grpc.max_metadata_size", _LARGEST_METADATA_BYTES),
        # A client that pings more often than this, a few times in a row, loses its connection.
        ("grpc.http2.min_ping_interval_without_data_ms", _PING_INTERVAL_SECONDS * 1000),
        ("grpc.http2.max_ping_strikes", _PING_STRIKES),
    ]
