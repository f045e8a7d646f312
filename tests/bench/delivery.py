"""Measure delivery: one client's stream of results beside many streams of another client."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.bench.load import serving
from tests.integration.server.crowd import DENSE, crowd


@dataclass(frozen=True)
class Delivery:
    """What a stream of results gets beside others. Rates in results per second."""

    beside_one: float
    beside_many: float

    @property
    def kept(self) -> float:
        """The part of its rate that the stream keeps."""
        return self.beside_many / self.beside_one


async def measure_delivery(design: str, streams: int, seconds: float) -> Delivery:
    """Read a stream where every candidate is a result, beside 1 and beside `streams` others."""
    async with serving(design) as server:
        beside_one = await asyncio.to_thread(_rate, server.address, 1, seconds)
        beside_many = await asyncio.to_thread(_rate, server.address, streams, seconds)
    return Delivery(beside_one, beside_many)


def _rate(address: str, beside: int, seconds: float) -> float:
    with crowd(address, "dense", beside), _dense_stream(address) as results:
        next(results)
        began, count = time.monotonic(), 0
        while (passed := time.monotonic() - began) < seconds:
            next(results)
            count += 1
    return count / passed


@contextmanager
def _dense_stream(address: str) -> Iterator[Iterator[object]]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options=options) as channel:
        call = HashFinderStub(channel).FindRange(DENSE)
        yield call
        call.cancel()
