"""The command line with a server of the public gRPC cancellation example: fields 1 to 3 only."""

import itertools
import json
import signal
import threading
import time
from base64 import b64encode
from collections.abc import Iterator

import grpc
import pytest

from hashfinder_proto.hash_name_pb2 import HashNameRequest, HashNameResponse
from hashfinder_proto.hash_name_pb2_grpc import HashFinderServicer
from tests.integration.scripted import Run, Serve, Start, distance_between, hash_of


class ClassicServicer(HashFinderServicer):
    """Searches as the public example does, including its quirks.

    Its keyspace lacks byte 0xFF, it knows neither positions nor progress, and a stream whose
    interesting distance is not below the ideal one never ends.
    """

    def __init__(self) -> None:
        """Start without a search."""
        self.began = threading.Event()
        self.stopped = threading.Event()

    def Find(self, request: HashNameRequest, context: grpc.ServicerContext) -> HashNameResponse:
        """Return the first candidate within the ideal distance."""
        ideal = request.ideal_hamming_distance
        return next(self._search(request, context, ideal, None), HashNameResponse())

    def FindRange(
        self, request: HashNameRequest, context: grpc.ServicerContext
    ) -> Iterator[HashNameResponse]:
        """Stream every candidate within the interesting distance."""
        ideal, interesting = request.ideal_hamming_distance, request.interesting_hamming_distance
        return self._search(request, context, ideal, interesting)

    def _search(
        self,
        request: HashNameRequest,
        context: grpc.ServicerContext,
        ideal: int,
        interesting: int | None,
    ) -> Iterator[HashNameResponse]:
        context.add_callback(self.stopped.set)
        self.began.set()
        for secret in _secrets():
            if self.stopped.is_set():
                return
            hashed = hash_of(secret)
            distance = distance_between(request.desired_name, hashed)
            response = HashNameResponse(
                secret=b64encode(secret).decode(), hashed_name=hashed, hamming_distance=distance
            )
            if interesting is not None and distance <= interesting:
                yield response
            elif distance <= ideal:
                yield response
                return


def _secrets() -> Iterator[bytes]:
    for length in itertools.count(1):
        for digits in itertools.product(range(255), repeat=length):
            yield bytes(digits)


@pytest.fixture
def classic() -> ClassicServicer:
    """A classic servicer."""
    return ClassicServicer()  # type: ignore[abstract]  # older than Estimate


@pytest.fixture
def address(classic: ClassicServicer, serve: Serve) -> str:
    """The address of a classic server."""
    return serve(classic)


def test_find(call: Run, address: str) -> None:
    """A plain search works, and its position is computed, since the server does not report it."""
    done = call("find", "do", "--server", address)

    assert (0, "") == (done.returncode, done.stderr)
    distance, position, secret, hashed_name = done.stdout.rstrip("\n").split("\t")
    assert "0" == distance
    assert "do" in hashed_name.lower()
    assert b64encode(_secret_at(int(position))).decode() == secret


@pytest.mark.parametrize(
    "options",
    [
        ["do", "--algorithm", "sha256"],
        ["do", "--anchor", "start"],
        ["do", "--secret-prefix", "x"],
        ["do", "--alphabet", "digits"],
        ["--zero-bits", "8"],
    ],
)
@pytest.mark.parametrize("command", ["find", "estimate"])
def test_newer_search(
    call: Run, address: str, classic: ClassicServicer, command: str, options: list[str]
) -> None:
    """A search that this server does not support is refused before it begins."""
    done = call(command, *options, "--server", address)

    assert (1, "") == (done.returncode, done.stdout)
    assert f"The server at {address} is too old for this search" in done.stderr
    assert not classic.began.is_set()


def test_estimate(call: Run, address: str) -> None:
    """The client computes what the server cannot; only the hash rate is unknown."""
    done = call("estimate", "doctor", "--json", "--server", address)

    assert (0, "") == (done.returncode, done.stderr)
    estimate = json.loads(done.stdout)
    assert (pytest.approx(21 / 2**30, rel=0.01), None) == (
        estimate["chance"],
        estimate["hashes_per_second"],
    )


def test_count(call: Run, address: str) -> None:
    """A classic server always starts at the first match: the search ends with it and says why."""
    done = call("find", "do", "--count", "2", "--server", address)

    assert (1, 1) == (done.returncode, len(done.stdout.splitlines()))
    assert "Found 1 of 2. " in done.stderr
    assert "--count" in done.stderr


def _secret_at(position: int) -> bytes:
    digits = []
    while position:
        position, digit = divmod(position - 1, 256)
        digits.append(digit)
    return bytes(reversed(digits))


def test_stream_that_would_never_end(call: Run, address: str, classic: ClassicServicer) -> None:
    """The first ideal result ends the search, although this server would continue forever."""
    done = call("find", "do", "--show-inferior", "1", "--json", "--server", address)

    assert (0, "") == (done.returncode, done.stderr)
    *results, end = [json.loads(line) for line in done.stdout.splitlines()]
    assert [False] * (len(results) - 1) + [True] == [result["is_ideal"] for result in results]
    assert len(results) > 1
    assert {"end", 0} == {end["type"], end["exit_code"]}
    assert classic.stopped.wait(10)


@pytest.mark.parametrize("options", [[], ["--progress"]])
def test_cancel(start: Start, address: str, classic: ClassicServicer, options: list[str]) -> None:
    """Ctrl-C stops the search on the server; there is no position to resume from."""
    process = start("find", "0123456789abcdef", *options, "--server", address)
    assert classic.began.wait(20)

    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)

    assert classic.stopped.wait(10)
    assert time.monotonic() - began < 5
    assert (130, "") == (process.returncode, stdout)
    *estimate, cancelled = stderr.splitlines()[: 1 + len(options)]
    assert "Cancelled." == cancelled
    assert all(line.startswith("1 in ") for line in estimate)
    assert "--start-position" not in stderr
