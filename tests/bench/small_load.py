"""The load of small RPCs: from ghz where it is installed, else from clients in Python.

`python -m tests.bench.small_load ADDRESS REQUESTS CONNECTIONS SECONDS` is such a client: it prints
as JSON how many RPCs ended in that time. It is slower than ghz and uses more of the machine.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub

NAME = "doc"
"""Found at position 449."""
REQUESTS = 32
"""Concurrent RPCs over all connections."""
CONNECTIONS = 4
_CLIENTS = 2
"""Client processes, where Python makes the load."""
_PROTO = Path(__file__).parents[2] / "proto" / "hash_name.proto"
_WAY_OF_GO = Path.home() / "go" / "bin" / "ghz"


def ghz() -> str | None:
    """Return the path of ghz, None if it is not installed."""
    installed = str(_WAY_OF_GO) if os.access(_WAY_OF_GO, os.X_OK) else None
    return shutil.which("ghz") or installed


def rate(address: str, seconds: float) -> float:
    """Return how many `Find` RPCs a second the server at `address` answers.

    Raises:
        RuntimeError: an RPC failed, or the load could not be made.
    """
    program = ghz()
    return _rate_by_ghz(program, address, seconds) if program else _rate_by_python(address, seconds)


def _rate_by_ghz(program: str, address: str, seconds: float) -> float:
    command = [program, "--insecure", "--proto", str(_PROTO), "--call", "hash_name.HashFinder/Find"]
    command += ["--data", json.dumps({"desired_name": NAME}), "--format", "json"]
    command += ["--concurrency", str(REQUESTS), "--connections", str(CONNECTIONS)]
    command += ["--duration", f"{seconds:g}s", "--duration-stop", "wait", address]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    if report["statusCodeDistribution"].keys() != {"OK"}:
        message = f"some RPCs failed: {report['statusCodeDistribution']}"
        raise RuntimeError(message)
    return float(report["rps"])


def _rate_by_python(address: str, seconds: float) -> float:
    share = [str(REQUESTS // _CLIENTS), str(CONNECTIONS // _CLIENTS), str(seconds)]
    command = [sys.executable, "-m", __name__, address, *share]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(_CLIENTS)]
    answers = [client.communicate()[0] for client in clients]
    if any(client.returncode for client in clients):
        message = "a client failed"
        raise RuntimeError(message)
    return sum(float(json.loads(answer)["rate"]) for answer in answers)


async def main(address: str, requests: int, connections: int, seconds: float) -> None:
    """Make the load, and print its rate."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(connections)]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    began, answers = time.monotonic(), 0

    async def ask(channel: grpc.aio.Channel) -> None:
        nonlocal answers
        find, request = HashFinderStub(channel).Find, HashNameRequest(desired_name=NAME)
        while time.monotonic() - began < seconds:
            await find(request)
            answers += 1

    await asyncio.gather(*(ask(channels[n % connections]) for n in range(requests)))
    print(json.dumps({"rate": answers / (time.monotonic() - began)}))
    await asyncio.gather(*(channel.close() for channel in channels))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
