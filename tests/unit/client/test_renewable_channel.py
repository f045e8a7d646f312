"""A channel is replaced for the next RPC once its server drains, and closed after its last RPC."""

from collections.abc import Iterator
from contextlib import ExitStack

import grpc
import pytest

from hashfinder_client.channel import Options, connect
from hashfinder_client.errors import FinderClosedError
from hashfinder_client.renewable_channel import RenewableChannel
from hashfinder_client.tls import Tls

TARGET = "127.0.0.1:1"


@pytest.fixture
def opened() -> Iterator[list[grpc.Channel]]:
    """The channels opened so far; they are closed at the end."""
    channels: list[grpc.Channel] = []
    yield channels
    with ExitStack() as stack:
        for channel in channels:
            stack.callback(channel.close)


@pytest.fixture
def renewable(opened: list[grpc.Channel]) -> RenewableChannel[grpc.Channel]:
    """A renewable channel to a target."""

    def open_channel(target: str, options: Options, _tls: Tls | None) -> grpc.Channel:
        assert target == TARGET
        assert ("grpc.use_local_subchannel_pool", 1) in options, "connections of its own"
        opened.append(grpc.insecure_channel(target, options))
        return opened[-1]

    return RenewableChannel(TARGET, open_channel)


def test_rpcs_share_a_channel_while_its_server_serves(
    renewable: RenewableChannel[grpc.Channel], opened: list[grpc.Channel]
) -> None:
    """Whatever their end."""
    first, second = renewable.acquire(), renewable.acquire()
    assert first is second
    assert renewable.release(first, renew=False) is None
    assert renewable.release(second, renew=False) is None
    assert renewable.acquire() is first
    assert opened == renewable.close()


def test_drain_renews_the_channel_once(
    renewable: RenewableChannel[grpc.Channel], opened: list[grpc.Channel]
) -> None:
    """The old channel is closed with its last RPC, not before."""
    old = renewable.acquire()
    renewable.acquire()
    assert renewable.release(old, renew=True) is None
    new = renewable.acquire()
    assert new is not old

    assert old is renewable.release(old, renew=True)
    assert renewable.acquire() is new
    assert [old, new] == opened
    assert [new] == renewable.close()


def test_closed_channel_is_not_used_again(
    renewable: RenewableChannel[grpc.Channel], opened: list[grpc.Channel]
) -> None:
    """No new channel is opened for an RPC that ends later."""
    channel = renewable.acquire()
    assert opened == renewable.close()
    with pytest.raises(FinderClosedError):
        renewable.acquire()
    assert renewable.release(channel, renew=True) is None
    assert [channel] == opened


def test_channel_of_the_caller_is_kept() -> None:
    """It is neither replaced nor closed."""
    with grpc.insecure_channel(TARGET) as own:
        renewable = RenewableChannel(own, connect)
        assert renewable.release(renewable.acquire(), renew=True) is None
        assert renewable.acquire() is own
        assert [] == renewable.close()
