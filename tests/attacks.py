"""Hostile peers, each a process of its own: NAME ADDRESS METRICS_ADDRESS SECONDS. Loopback only.

Prints how its streams and connections ended. They use a loopback address of their own, so that
the server does not count them as one client with those that they disturb.
"""

import gzip
import math
import resource
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from grpc_health.v1.health_pb2 import HealthCheckRequest

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.hostile_frames import (
    ESTIMATE,
    FIND,
    FIND_RANGE,
    REFLECTION,
    WATCH,
    Build,
    call,
    endless_headers,
    header_bomb,
    headers_alone,
    headers_and_reset,
    health_check,
    large_headers,
    ping,
    settings_to_acknowledge,
    unknown_method,
)
from tests.http2 import (
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Connection,
    connect,
    frame,
    setting,
)

SOURCE = "127.0.0.66"
DENSE = HashNameRequest(desired_name="abzzzzzzzz", interesting_hamming_distance=9)
MANY = 2_000
_BATCH = 100
_WATCHED = HealthCheckRequest(service="hash_name.HashFinder").SerializeToString()
_LONG = HashNameRequest(desired_name="doctorwho", ideal_hamming_distance=3, wildcard="?")
_BOMB = gzip.compress(bytes(50_000_000))
_NONSENSE = b"\x32\xff\x00" * 100

Outcome = Counter[str]


def flood(
    build: Build, connections: int = 1, most: float = math.inf
) -> Callable[[str, float, Outcome], None]:
    """Return an attack by up to `most` RPCs or frames over this many connections.

    A closed connection is opened again.
    """

    def attack(address: str, seconds: float, outcome: Outcome) -> None:
        end = time.monotonic() + seconds
        threads = [
            threading.Thread(target=_flood, args=(address, build, end, most, outcome))
            for _ in range(connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return attack


def _flood(address: str, build: Build, end: float, most: float, outcome: Outcome) -> None:
    while time.monotonic() < end and outcome["sent"] < most:
        with suppress(OSError), Connection(address, source=SOURCE) as connection:
            reader = threading.Thread(target=_read, args=(connection, end, outcome))
            reader.start()
            stream = 1
            with suppress(OSError):
                while time.monotonic() < end and reader.is_alive() and outcome["sent"] < most:
                    connection.send(b"".join(build(stream + 2 * n) for n in range(_BATCH)))
                    stream += 2 * _BATCH
                    outcome["sent"] += _BATCH
            reader.join()
            if time.monotonic() < end:
                outcome["connections closed"] += 1


def _read(connection: Connection, end: float, outcome: Outcome) -> None:
    for each in connection.frames(max(0.1, end - time.monotonic())):
        if each.type == GOAWAY:
            outcome[f"GOAWAY {int.from_bytes(each.payload[4:8])}"] += 1
        elif each.type == RST_STREAM:
            outcome[f"RST_STREAM {int.from_bytes(each.payload)}"] += 1
        elif each.type == HEADERS and each.flags & END_STREAM:
            outcome["answered"] += 1
        if time.monotonic() > end:
            return


def hold(data: bytes, number: int, drip: bytes = b"") -> Callable[[str, float, Outcome], None]:
    """Return an attack by connections that send `data` first and then `drip` slowly."""

    def attack(address: str, seconds: float, outcome: Outcome) -> None:
        end = time.monotonic() + seconds
        opened: list[socket.socket] = []
        for _ in range(number):
            with suppress(OSError):
                each = connect(address, SOURCE)
                opened.append(each)
                each.sendall(data)
        outcome["opened"] = len(opened)
        while time.monotonic() < end:
            time.sleep(0.5)
            for each in opened if drip else ():
                with suppress(OSError):
                    each.sendall(drip)
        outcome["closed by the server"] = sum(map(_is_closed, opened))
        for each in opened:
            each.close()

    return attack


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0)
    try:
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _unread(number: int) -> bytes:
    """Return the bytes of a connection that requests that many result streams and reads none."""
    settings = frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 0))
    search = call(FIND_RANGE, DENSE.SerializeToString())
    return PREFACE + settings + b"".join(search(2 * n + 1) for n in range(number))


_GZIP = (b"grpc-encoding", b"gzip")
ATTACKS: dict[str, Callable[[str, float, Outcome], None]] = {
    "rapid reset": flood(headers_and_reset),
    "half-open streams": flood(headers_alone),
    "half-open streams, 50 connections": flood(headers_alone, 50),
    "PING": flood(ping),
    "SETTINGS": flood(settings_to_acknowledge),
    "headers of 15 kB": flood(large_headers),
    "CONTINUATION without an end": flood(endless_headers),
    "HPACK bomb, 500 requests of 12 MB each": flood(header_bomb, most=500),
    "unknown methods": flood(unknown_method),
    "`Check`, 4 connections": flood(health_check, 4),
    "`Watch`": flood(call(WATCH, _WATCHED)),
    "`Estimate`": flood(call(ESTIMATE, _LONG.SerializeToString())),
    "reflection with nonsense": flood(call(REFLECTION, _NONSENSE)),
    "gzip bomb, 50 MB each": flood(call(FIND, _BOMB, _GZIP, flag=1)),
    "2,000 connections that say nothing": hold(b"", MANY),
    "2,000 connections with half a preface": hold(PREFACE[:10], MANY),
    "2,000 connections without an RPC": hold(PREFACE + frame(SETTINGS, 0, 0), MANY),
    "400 streams that nobody reads": hold(_unread(100), 4),
    "slowloris on the metrics port": hold(b"GET /metrics HTTP/1.1\r\n", 500, b"x"),
}


def main(name: str, address: str, metrics: str, seconds: str) -> None:
    """Attack, and print how it ended."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    outcome: Outcome = Counter()
    target = metrics if "metrics" in name else address
    ATTACKS[name](target, float(seconds), outcome)
    print(", ".join(f"{what}: {count:,}" for what, count in outcome.items()))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
