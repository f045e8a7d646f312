"""`make bench-security`: the cost of TLS and identities, and how exactly weights divide the work.

The servers run side by side and take turns in short rounds, so that other load on the machine
affects all of them. A ratio is the median over the rounds.
"""

import argparse
import hashlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import grpc

from deploy.certs import Authority
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from tests.bench.report import RATIO, Better, Report, run
from tests.integration.server.crowd import DENSE
from tests.integration.server_process import ServerProcess, run_server

WEIGHTS = {"one": 1, "two": 2, "four": 4}
QUICK = HashNameRequest(desired_name="a")
HOPELESS = HashNameRequest(desired_name="hopelessly")

Metadata = tuple[tuple[str, str], ...]


class Case(NamedTuple):
    """A server, and how a client connects to it."""

    server: ServerProcess
    credentials: grpc.ChannelCredentials | None
    metadata: Metadata

    @contextmanager
    def stub(self) -> Iterator[HashFinderStub]:
        """Yield a stub on its own connection."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        address = self.server.address
        with (
            grpc.insecure_channel(address, options)
            if self.credentials is None
            else grpc.secure_channel(address, self.credentials, options)
        ) as channel:
            yield HashFinderStub(channel)


def token_of(name: str) -> str:
    """Return the token of a client of the bench."""
    return f"token-of-the-bench-for-{name}"


def bearer(name: str) -> Metadata:
    """Return the metadata with a token."""
    return (("authorization", f"Bearer {token_of(name)}"),)


def write_files(folder: Path) -> tuple[str, ...]:
    """Write a token file with a thousand tokens and a policy; return the flags for both."""
    names = [*WEIGHTS, *(f"other-{n}" for n in range(1000))]
    lines = [f"{name} {hashlib.sha256(token_of(name).encode()).hexdigest()}\n" for name in names]
    (folder / "tokens").write_text("".join(lines))
    policy = [f'[identities."token:{name}"]\nweight = {w}\n' for name, w in WEIGHTS.items()]
    (folder / "policy.toml").write_text("".join(policy))
    return ("--tokens", str(folder / "tokens"), "--policy", str(folder / "policy.toml"))


@contextmanager
def cases() -> Iterator[dict[str, Case]]:
    """Run a server for each case."""
    authority = Authority()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        access = write_files(folder)
        certificate, key = authority.server().write(folder, "server")
        (folder / "ca.pem").write_bytes(authority.pem)
        tls = ("--tls-certificate", str(certificate), "--tls-key", str(key))
        mutual = (*tls, "--tls-client-ca", str(folder / "ca.pem"))
        own = authority.client("bench")
        trusting = grpc.ssl_channel_credentials(authority.pem)
        known = grpc.ssl_channel_credentials(authority.pem, own.key, own.certificate)

        def case(
            flags: tuple[str, ...],
            credentials: grpc.ChannelCredentials | None = None,
            metadata: Metadata = (),
        ) -> Case:
            server = stack.enter_context(run_server("--workers", "1", *flags))
            return Case(server, credentials, metadata)

        yield {
            "plain": case(()),
            "plain, token and policy": case(access, None, bearer("one")),
            "TLS": case(tls, trusting),
            "TLS, token and policy": case((*tls, *access), trusting, bearer("one")),
            "mutual TLS": case(mutual, known),
        }


def unary(stub: HashFinderStub, metadata: Metadata, number: int) -> float:
    """Return the seconds per RPC of short searches, one after another on one connection."""
    began = time.perf_counter()
    for _ in range(number):
        stub.Find(QUICK, metadata=metadata)
    return (time.perf_counter() - began) / number


def streamed(stub: HashFinderStub, metadata: Metadata, number: int) -> float:
    """Return the seconds per message of a stream that is read as fast as it arrives."""
    call = stub.FindRange(DENSE, metadata=metadata)
    next(call)
    began = time.perf_counter()
    for _ in range(number):
        next(call)
    seconds = (time.perf_counter() - began) / number
    call.cancel()
    return seconds


def connected(case: Case, number: int) -> float:
    """Return the seconds for a new connection with one RPC."""
    began = time.perf_counter()
    for _ in range(number):
        with case.stub() as stub:
            stub.Find(QUICK, metadata=case.metadata)
    return (time.perf_counter() - began) / number


def costs(report: Report, rounds: int) -> None:
    """Measure each case, in microseconds and as ratios to plain text in the same round."""
    measures: dict[str, Callable[[Case, HashFinderStub], float]] = {
        "unary RPC": lambda case, stub: unary(stub, case.metadata, 200),
        "message of a stream": lambda case, stub: streamed(stub, case.metadata, 5000),
        "new connection with one RPC": lambda case, _: connected(case, 10),
    }
    with cases() as servers, ExitStack() as stack:
        stubs = {name: stack.enter_context(case.stub()) for name, case in servers.items()}
        taken: dict[str, dict[str, list[float]]] = {
            measure: {name: [] for name in servers} for measure in measures
        }
        for turn in range(rounds + 1):
            for measure, take in measures.items():
                for name, case in servers.items():
                    seconds = take(case, stubs[name])
                    if turn:  # the first one warms up
                        taken[measure][name].append(seconds)
    for measure, by_case in taken.items():
        for name, mine in by_case.items():
            report.add(measure, name, "µs", Better.LOWER, *(1e6 * each for each in mine))
            ratios = [m / p for m, p in zip(mine, by_case["plain"], strict=True)]
            if name != "plain":
                report.add(f"{measure}, times plain", name, RATIO, Better.LOWER, *ratios)


def shares(report: Report, seconds: float) -> None:
    """Measure how far the work of clients of the weights 1, 2 and 4 deviates from these weights."""
    request = HashNameRequest()
    request.CopyFrom(HOPELESS)
    request.progress_interval.FromMilliseconds(100)
    reports: dict[str, list[tuple[float, int]]] = {name: [] for name in WEIGHTS}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        server = stack.enter_context(run_server("--workers", "2", *write_files(folder)))
        for name in WEIGHTS:
            stub = stack.enter_context(server.stub())
            call = stub.FindRange(request, metadata=bearer(name))
            reader = threading.Thread(target=_read, args=(call, reports[name]), daemon=True)
            reader.start()
            stack.callback(reader.join, 10)
            stack.callback(call.cancel)
        time.sleep(2 + seconds + 1)
    rates = {name: _rate(mine, seconds) for name, mine in reports.items()}
    unit = sum(rates.values()) / sum(WEIGHTS.values())
    for name, weight in WEIGHTS.items():
        off = 100 * abs(rates[name] / (weight * unit) - 1)
        report.add("share of the work, off its weight", f"weight {weight}", "%", Better.LOWER, off)


def _read(call: Any, reports: list[tuple[float, int]]) -> None:  # noqa: ANN401  # gRPC's own
    try:
        for message in call:
            done = message.progress
            if done.hashes_per_second:
                elapsed = done.hashes_computed / done.hashes_per_second
                reports.append((elapsed, done.hashes_computed))
    except grpc.RpcError:
        pass


def _rate(reports: list[tuple[float, int]], seconds: float) -> float:
    """Return the hash rate over `seconds` of the server's clock, without the first two seconds."""
    first = next(each for each in reports if each[0] >= 2)
    last = next(each for each in reports if each[0] >= first[0] + seconds)
    return (last[1] - first[1]) / (last[0] - first[0])


def measure(report: Report, arguments: argparse.Namespace) -> None:
    """Measure all."""
    costs(report, 3 if arguments.quick else 15)
    shares(report, 5 if arguments.quick else 30)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a look")
    return parser


if __name__ == "__main__":
    sys.exit(run("security", measure, _parser()))
