"""Estimates; and with them the check that a server knows all of a query.

A server that is older than `Estimate` ignores what it does not know of a request, and searches for
something else. It answers UNIMPLEMENTED to `Estimate`.
"""

import asyncio
from typing import cast

import grpc

from hashfinder_client.errors import (
    FinderClosedError,
    OutdatedServerError,
    StoppedError,
)
from hashfinder_client.query import Query
from hashfinder_client.renewable_channel import RenewableChannel
from hashfinder_client.retry import rpc_timeout
from hashfinder_client.status import RpcStatus
from hashfinder_client.tracing import RpcSpan
from hashfinder_proto.hash_name_pb2 import HashNameRequest, SearchEstimate
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub

PATIENCE = 5.0
"""Seconds that a server has to answer before a search begins without its answer."""


def estimate(
    channel: RenewableChannel[grpc.Channel], query: Query, timeout: float
) -> SearchEstimate:
    """Return the server's estimate, within `timeout` seconds.

    Raises:
        OutdatedServerError: the server does not know `Estimate`.
        StoppedError: it does not answer, or refuses the query.
        FinderClosedError: the channel is closed.
    """
    used = channel.acquire()
    span, ended, renew = RpcSpan.begin("Estimate"), _GIVEN_UP, False
    try:
        # A stub registers its methods, and that crashes on a channel that was closed meanwhile.
        ask = used.unary_unary(
            _ESTIMATE, HashNameRequest.SerializeToString, SearchEstimate.FromString
        )
        metadata = (*channel.metadata, *span.metadata)
        answer = ask(query.message(), timeout=rpc_timeout(timeout), metadata=metadata)
        ended = RpcStatus(grpc.StatusCode.OK)
    except grpc.RpcError as error:
        if channel.is_closed:
            raise FinderClosedError from error
        # It has all that is asked for.
        ended = channel.annotated(RpcStatus.of(cast("grpc.Call", error)))
        renew = ended.calls_for_another_channel
        raise _error(ended) from error
    except ValueError as error:
        raise FinderClosedError from error
    finally:
        span.end(ended)
        if left := channel.release(used, renew=renew):
            left.close()
    return answer


async def estimate_async(
    channel: RenewableChannel[grpc.aio.Channel],
    query: Query,
    timeout: float,  # noqa: ASYNC109 - gRPC's own
) -> SearchEstimate:
    """Return the server's estimate, as `estimate` does."""
    used = channel.acquire()
    span, ended, renew = RpcSpan.begin("Estimate"), _GIVEN_UP, False
    try:
        metadata = (*channel.metadata, *span.metadata)
        answer = await HashFinderStub(used).Estimate(
            query.message(), timeout=rpc_timeout(timeout), metadata=metadata
        )
        ended = RpcStatus(grpc.StatusCode.OK)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if channel.is_closed and not (task and task.cancelling()):  # gRPC has cancelled the call
            raise FinderClosedError from None
        raise
    except grpc.aio.AioRpcError as error:
        ended = channel.annotated(RpcStatus.of(cast("grpc.Call", error)))  # Likewise.
        renew = ended.calls_for_another_channel
        raise _error(ended) from error
    except grpc.aio.UsageError as error:
        raise FinderClosedError from error
    finally:
        span.end(ended)
        if left := channel.release(used, renew=renew):
            await left.close()
    return answer


def check_server(channel: RenewableChannel[grpc.Channel], query: Query, timeout: float) -> None:
    """Make sure that the server knows all of `query`. Whatever else fails is for the search.

    Raises:
        OutdatedServerError: it does not.
    """
    if query.is_classic:
        return
    try:
        estimate(channel, query, min(timeout, PATIENCE))
    except OutdatedServerError:
        raise
    except StoppedError:
        pass  # The search meets it as well, and may try again.


async def check_server_async(
    channel: RenewableChannel[grpc.aio.Channel],
    query: Query,
    timeout: float,  # noqa: ASYNC109 - likewise
) -> None:
    """Make sure that the server knows all of `query`, as `check_server` does."""
    if query.is_classic:
        return
    try:
        await estimate_async(channel, query, min(timeout, PATIENCE))
    except OutdatedServerError:
        raise
    except StoppedError:
        pass  # Likewise.


_ESTIMATE = "/hash_name.HashFinder/Estimate"
_GIVEN_UP = RpcStatus(grpc.StatusCode.CANCELLED)
"""Of an RPC whose caller left, or that was never made since the channel is closed."""


def _error(ended: RpcStatus) -> StoppedError:
    kind = ended.error_class
    if ended.code is grpc.StatusCode.UNIMPLEMENTED:
        kind = OutdatedServerError
    return kind(ended.code, ended.text, ended.details, hashes=0, next_position=None, best=None)
