"""The channel to a server, or to all servers of a name: its options."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import grpc

from hashfinder_client.proxy import is_local
from hashfinder_client.target import BALANCED, UNIX
from hashfinder_client.tls import Tls

Options: TypeAlias = list[tuple[str, int | str]]
_Options: TypeAlias = tuple[tuple[str, int | str], ...]
READ_AHEAD = 64
"""Messages of a search that may wait to be taken. With no limit, a slow reader would fill memory;
so the server parks the search."""
TURN = 0.1
"""Seconds after which a search is asked again which RPCs are due."""
GRACE = 0.5
"""Seconds that RPCs have to end: by themselves after the ideal match, or after a cancel."""
LINGER = 0.2
"""Seconds that a connection outlives a cancelled RPC. While it is there, the server can
distinguish a cancelled RPC from a lost peer."""
PROBE = "/grpc.health.v1.Health/Check"
"""A method to call while an RPC has no answer yet. TCP notices a lost connection only when there is
something to send. Any answer shows that it is there, also that the method is not known."""
_CHANNEL_OPTIONS: _Options = (
    # Each channel has connections of its own, so that a new one leaves a server that drains.
    ("grpc.use_local_subchannel_pool", 1),
    # A search that resumes waits by itself; while a channel waits as well, every RPC fails at once.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Finds a peer that is gone without a word. A server with default settings takes more than one
    # ping in 300 s without data for an attack, and would end a long unary call for it.
    ("grpc.keepalive_time_ms", 305_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),  # else it may take a minute
    ("grpc.primary_user_agent", "hashfinder-client"),
)
_SINGLE_OPTIONS: _Options = (
    # Of a name with several addresses one is taken at random. The first one would be the same each
    # time, also while its server drains and a new channel is opened to leave it.
    (
        "grpc.service_config",
        '{"loadBalancingConfig": [{"pick_first": {"shuffleAddressList": true}}]}',
    ),
)
_LOCAL_OPTIONS: _Options = (("grpc.enable_http_proxy", 0),)
KEEPALIVE: _Options = (
    # Finds a server that is gone without a word, within two such times and the timeout: 40 s. Ours
    # bear a ping every 5 s; any other bears them while it sends messages.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
)
"""The options of a channel whose servers are known to bear it."""
_BALANCING_OPTIONS: _Options = (
    # Each RPC goes to the next of the servers that are there. Whenever a connection ends, which the
    # servers see to by its age, the name is looked up again: at most every second, not every 30.
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    *KEEPALIVE,
)


def channel_options(target: str) -> Options:
    """Return the options of a channel to `target`, one of the forms of `check_target`."""
    balancing = _BALANCING_OPTIONS if target.startswith(BALANCED) else _SINGLE_OPTIONS
    local = _LOCAL_OPTIONS if is_local(target) else ()
    return list({**dict(_CHANNEL_OPTIONS), **dict(balancing), **dict(local)}.items())


def connect(target: str, options: Options, tls: Tls | None) -> grpc.Channel:
    """Return a channel for programs that block; with `tls` None, in plain text.

    Raises:
        ValueError: a file of `tls` cannot be used.
    """
    if tls is None or target.startswith(UNIX):
        return grpc.insecure_channel(target, options)
    return grpc.secure_channel(target, tls.credentials(), options)


def connect_async(target: str, options: Options, tls: Tls | None) -> grpc.aio.Channel:
    """Return a channel for asyncio, as `connect` does."""
    if tls is None or target.startswith(UNIX):
        return grpc.aio.insecure_channel(target, options)
    return grpc.aio.secure_channel(target, tls.credentials(), options)


@contextmanager
def open_channel(server: str, tls: Tls | None = None) -> Iterator[grpc.Channel]:
    """Give a channel to `server`, closed at the end. The first call connects."""
    with connect(server, channel_options(server), tls) as channel:
        yield channel
