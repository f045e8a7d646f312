"""The clients of the soak: every way for a search to end, and what each client knows of it."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.integration.server_process import ServerProcess

HOPELESS = HashNameRequest(desired_name="hopelesssearch")
DENSE = HashNameRequest(desired_name="hopelesssearch", interesting_hamming_distance=14)
LINGER_SECONDS = 1.0
"""How long a channel stays open after a cancel; closed at once, it would count as a disconnect."""
LONGEST_SECONDS = 60.0
WITHOUT_DETAILS = (
    grpc.StatusCode.OK,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
"""The codes that come without details from the server."""

_DOOMED = """
import sys, time, grpc
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
channel = grpc.insecure_channel(sys.argv[1])
grpc.channel_ready_future(channel).result()
request = HashNameRequest(desired_name="hopelesssearch", interesting_hamming_distance=14)
calls = [HashFinderStub(channel).FindRange(request) for _ in range(int(sys.argv[2]))]
print("sent", flush=True)
time.sleep(300)
"""


class Mix:
    """Does random things one after another; counts what it did and what was reported to it."""

    def __init__(self, server: ServerProcess, seed: int) -> None:
        """Store the server, and the seed of all choices."""
        self._server = server
        self._chance = random.Random(seed)  # noqa: S311  # no secret
        self._lock = threading.Lock()
        self.done: Counter[str] = Counter()
        """How often each thing was done."""
        self.reported: Counter[str] = Counter()
        """The calls by what the client knows of them: the reason or code that was reported, or
        CANCELLED or KILLED for what it did itself."""
        self.ways: dict[str, tuple[int, Callable[[random.Random], None]]] = {
            "found": (4, self._find),
            "budget": (4, self._exhaust_budget),
            "cancel": (6, self._cancel),
            "deadline": (4, self._miss_deadline),
            "killed": (1, self._kill_client),
            "stalled": (3, self._stall),
            "quota": (1, self._exhaust_quota),
            "overload": (2, self._overload),
            "invalid": (3, self._send_invalid),
        }

    def run(self, seconds: float) -> None:
        """Do random things for a while; the last one may take some seconds longer."""
        chance = random.Random(self._chance.random())  # noqa: S311  # no secret
        weights = [weight for weight, _ in self.ways.values()]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            [name] = chance.choices(list(self.ways), weights)
            self.do(name, chance)

    def do(self, name: str, chance: random.Random) -> None:
        """Do one thing."""
        self.ways[name][1](chance)
        with self._lock:
            self.done[name] += 1

    def _find(self, chance: random.Random) -> None:
        name = "".join(chance.choices("abcdefgh", k=2))
        self._wait(HashNameRequest(desired_name=name), chance)

    def _exhaust_budget(self, chance: random.Random) -> None:
        hashes = chance.randrange(1, 100_000)
        self._wait(HashNameRequest(desired_name="hopeless", maximum_hashes=hashes), chance)

    def _miss_deadline(self, chance: random.Random) -> None:
        self._wait(HOPELESS, chance, timeout=chance.uniform(0.05, 0.5))

    def _exhaust_quota(self, chance: random.Random) -> None:
        self._wait(HOPELESS, chance)

    def _cancel(self, chance: random.Random) -> None:
        with self._server.channel() as channel:
            calls = [_start(channel, HOPELESS, chance) for _ in range(chance.randrange(1, 4))]
            time.sleep(chance.uniform(0, 0.3))
            self._cancel_all(calls)

    def _stall(self, chance: random.Random) -> None:
        with self._server.channel() as channel:
            call = HashFinderStub(channel).FindRange(DENSE)
            time.sleep(chance.uniform(0.3, 1.5))
            self._cancel_all([call])

    def _overload(self, chance: random.Random) -> None:
        with self._server.channel() as one, self._server.channel() as other:
            calls = [_start(channel, HOPELESS, chance) for channel in (one, other) * 20]
            time.sleep(chance.uniform(0.3, 0.8))
            self._cancel_all(calls)

    def _send_invalid(self, chance: random.Random) -> None:
        with self._server.channel() as channel:
            if chance.random() < 0.5:
                raw: Any = channel.unary_unary("/hash_name.HashFinder/Find")
                self._ended(raw.future(b"\xff\xff\xff"))
            else:
                self._ended(_start(channel, HashNameRequest(desired_name=""), chance))

    def _kill_client(self, chance: random.Random) -> None:
        count = chance.randrange(1, 4)
        command = [sys.executable, "-c", _DOOMED, self._server.address, str(count)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
            assert client.stdout
            assert client.stdout.readline() == b"sent\n"
            time.sleep(chance.uniform(0, 0.7))
            client.send_signal(signal.SIGKILL)
        self._record("KILLED", count)

    def _wait(
        self, request: HashNameRequest, chance: random.Random, timeout: float = LONGEST_SECONDS
    ) -> None:
        with self._server.channel() as channel:
            grpc.channel_ready_future(channel).result(10)
            stub = HashFinderStub(channel)
            if chance.random() < 0.5:
                self._ended(stub.Find.future(request, timeout=timeout))
                return
            call = stub.FindRange(request, timeout=timeout)
            with suppress(grpc.RpcError):
                deque(call, maxlen=0)  # a stream ends when all its messages have been read
            self._ended(call)

    def _cancel_all(self, calls: list[Any]) -> None:
        for call in calls:
            call.cancel()
        for call in calls:
            self._ended(call)
        time.sleep(LINGER_SECONDS)

    def _ended(self, call: Any) -> None:  # noqa: ANN401  # the calls have no common type
        code = call.code()
        reason = code.name
        # A call that the client ended may have the server's details all the same, of an end of the
        # server's own that came at the same time: to the client it is cancelled.
        if code not in WITHOUT_DETAILS and (status := rpc_status.from_call(call)):
            info = error_details_pb2.ErrorInfo()
            assert status.details[0].Unpack(info)
            reason = info.reason
        self._record(reason, 1)

    def _record(self, what: str, calls: int) -> None:
        with self._lock:
            self.reported[what] += calls


def _start(channel: grpc.Channel, request: HashNameRequest, chance: random.Random) -> Any:  # noqa: ANN401  # the calls of the two methods have no common type
    stub = HashFinderStub(channel)
    start = chance.choice((stub.Find.future, stub.FindRange))
    return start(request)
