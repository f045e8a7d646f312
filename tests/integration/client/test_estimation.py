"""Estimates by the library, and servers that are too old for a search."""

import asyncio
import threading
from collections.abc import Iterator

import grpc
import pytest

from hashfinder_client import (
    AsyncFinder,
    Finder,
    InvalidSearchError,
    OutdatedServerError,
    Query,
    UnavailableError,
)
from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse
from hashfinder_rules.scheme import Anchor, Encoding, Scheme
from tests.integration.scripted import ServeScript, valid_response
from tests.integration.server_process import ServerProcess

NEWER = Query("0" * 12, scheme=Scheme(encoding=Encoding.BINARY, anchor=Anchor.START))


@pytest.fixture
def began() -> threading.Event:
    """Set when the old server begins a search."""
    return threading.Event()


@pytest.fixture
def old(serve_script: ServeScript, began: threading.Event) -> str:
    """The address of a server without Estimate."""

    def script(_: HashNameRequest, __: grpc.ServicerContext) -> Iterator[HashNameResponse]:
        began.set()
        yield valid_response("2jmj")

    return serve_script(script)


def test_estimate(module_server: ServerProcess) -> None:
    """Both finders return the server's estimate."""

    async def ask() -> float:
        async with AsyncFinder(module_server.address) as finder:
            return (await finder.estimate(NEWER)).chance

    with Finder(module_server.address) as finder:
        estimate = finder.estimate(NEWER)
        assert finder.estimate("doctor").chance < 1e-7

    assert (2.0**-12, 2.0**-12) == (estimate.chance, asyncio.run(ask()))
    assert estimate.hashes_per_second > 0


def test_search(module_server: ServerProcess) -> None:
    """Both finders check that the server supports a newer kind of search, and then run it."""

    async def find() -> int:
        async with AsyncFinder(module_server.address) as finder:
            return (await finder.find(NEWER)).position

    with Finder(module_server.address) as finder:
        match = finder.find(NEWER)

    assert match.hashed_name.startswith("0" * 12)
    assert match.position == asyncio.run(find())


def test_old_server(old: str, began: threading.Event) -> None:
    """A search that the server does not support is refused before it begins."""

    async def find() -> None:
        async with AsyncFinder(old) as finder:
            await finder.find(NEWER)

    with Finder(old) as finder, pytest.raises(OutdatedServerError):
        finder.find(NEWER)
    with pytest.raises(OutdatedServerError):
        asyncio.run(find())
    assert not began.is_set()


def test_classic_search_of_an_old_server(old: str) -> None:
    """The client does not check what every server supports."""
    with Finder(old) as finder:
        assert b"" == finder.find("2jmj").secret
        with pytest.raises(OutdatedServerError):
            finder.estimate("2jmj")


def test_failures(module_server: ServerProcess) -> None:
    """An estimate that is refused or fails ends like a search."""
    with Finder(module_server.address) as finder, pytest.raises(InvalidSearchError) as refused:
        finder.estimate("do-ctor")
    assert ["desired_name"] == [field for field, _ in refused.value.details.violations]
    with Finder("127.0.0.1:9") as finder, pytest.raises(UnavailableError):
        finder.estimate("doctor")
