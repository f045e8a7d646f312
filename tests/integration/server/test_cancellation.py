"""Cancellation as a contract: every stop frees the CPU and is counted with exactly one cause."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest

from hashfinder.kernel import Scan
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
from hashfinder_rules.query import Query
from tests.integration.samples import Labels, Samples
from tests.integration.server.conftest import RunningApplication, StartApplication
from tests.integration.server_process import RunServer, ServerProcess, eventually

HOPELESS = HashNameRequest(desired_name="hopelessly")
METHODS = ("Find", "FindRange")
SEARCHES = 20
SMALL_WINDOW = {"http2.bdp_probe": 0}
"""Keeps gRPC's own buffers small, so that flow control soon stops the server."""

CLIENT = """
import sys, time, grpc
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from hashfinder_proto.hash_name_pb2_grpc import HashFinderStub
address, method, count = sys.argv[1:]
stub = HashFinderStub(grpc.insecure_channel(address))
request = HashNameRequest(desired_name="hopelessly", interesting_hamming_distance=DISTANCE)
calls = [
    stub.Find.future(request) if method == "Find" else stub.FindRange(request)
    for _ in range(int(count))
]
time.sleep(300)
"""


def cancelled(**labels: str) -> Labels:
    """Return the labels of a series of hashfinder_cancellations_total."""
    return frozenset(labels.items())


def stops_since(server: ServerProcess, before: Samples) -> float:
    """Return how many stops were counted since `before`."""
    return sum(server.samples().moved("hashfinder_cancellations_total", before).values())


@contextmanager
def client_process(
    server: ServerProcess, method: str, count: int, interesting: int = 0
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a client with `count` endless calls that it does not read, in a separate process."""
    program = CLIENT.replace("DISTANCE", str(interesting))
    with subprocess.Popen(
        [sys.executable, "-c", program, server.address, method, str(count)]
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def end_by_cancel(server: ServerProcess, method: str) -> None:
    """Open searches and cancel them."""
    before = server.samples()
    with server.stub() as stub:
        start = stub.Find.future if method == "Find" else stub.FindRange
        calls = [start(HOPELESS) for _ in range(SEARCHES)]
        server.wait_for_searches(SEARCHES)
        for call in calls:
            call.cancel()
        # Wait for the counter first: closing the channel would count as a disconnect.
        eventually(lambda: stops_since(server, before) == SEARCHES, "all are counted")


def end_by_deadline(server: ServerProcess, method: str) -> None:
    """Open searches with a deadline and wait until it passes."""
    with server.stub() as stub:
        start = stub.Find.future if method == "Find" else stub.FindRange
        calls = [start(HOPELESS, timeout=1.5) for _ in range(SEARCHES)]
        server.wait_for_searches(SEARCHES)
        codes = [call.code() for call in calls]
        assert [grpc.StatusCode.DEADLINE_EXCEEDED] * SEARCHES == codes


def end_by_kill(server: ServerProcess, method: str) -> None:
    """Open searches from another process and kill it."""
    with client_process(server, method, SEARCHES) as process:
        server.wait_for_searches(SEARCHES)
        process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("end", "cause"),
    [(end_by_cancel, "client_cancel"), (end_by_deadline, "deadline"), (end_by_kill, "disconnect")],
    ids=["cancel", "deadline", "disconnect"],
)
def test_stopped_searches_free_the_cpu(
    server: ServerProcess, end: object, cause: str, method: str
) -> None:
    """No worker is busy, nothing is hashed, and each search is counted once, with its cause."""
    before = server.samples()

    assert callable(end)
    end(server, method)
    server.wait_until_idle(seconds=5)
    eventually(lambda: stops_since(server, before) == SEARCHES, "all are counted")

    after = server.samples()
    assert {cancelled(method=method, cause=cause): SEARCHES} == after.moved(
        "hashfinder_cancellations_total", before
    )
    latency = "hashfinder_cancel_latency_seconds"
    assert SEARCHES == sum(after.moved(f"{latency}_count", before).values())
    assert sum(after.moved(f"{latency}_sum", before).values()) / SEARCHES < 0.5
    time.sleep(0.3)
    later = server.samples()
    assert {} == later.moved("hashfinder_hashes_total", after)
    assert later.value("process_cpu_seconds_total") - after.value("process_cpu_seconds_total") < 0.2


def test_storm_of_cancels_leaves_nothing_behind(server: ServerProcess) -> None:
    """Hundreds of searches that end at once free all resources; health checks work meanwhile."""
    count = 300
    before = server.samples()
    with server.stub() as stub:
        calls = [stub.Find.future(HOPELESS) for _ in range(count)]
        server.wait_for_searches(count)
        for call in calls:
            call.cancel()
        server.wait_until_idle()
        eventually(
            lambda: (
                server.samples().moved("hashfinder_cancellations_total", before)
                == {cancelled(method="Find", cause="client_cancel"): count}
            ),
            "each is counted, as cancelled by its client",
        )


def test_simultaneous_stops_are_counted_once(server: ServerProcess, chance: random.Random) -> None:
    """RPCs that are cancelled about when their budget runs out have one code and one cause each."""
    count = 200
    before = server.samples()
    with server.stub() as stub:
        for _ in range(count):
            request = HashNameRequest(desired_name="hopelessly", maximum_hashes=2000)
            call = stub.Find.future(request)
            time.sleep(chance.uniform(0, 0.004))
            call.cancel()
            call.code()
        server.wait_until_idle()

        def ended() -> float:
            return sum(server.samples().moved("grpc_server_handled_total", before).values())

        # A call that is cancelled before it leaves the client never reaches the server.
        started = sum(server.samples().moved("grpc_server_started_total", before).values())
        eventually(lambda: ended() == started, "all are counted")
    after = server.samples()
    codes = {
        dict(labels)["grpc_code"]: moved
        for labels, moved in after.moved("grpc_server_handled_total", before).items()
    }
    causes = {
        dict(labels)["cause"]: moved
        for labels, moved in after.moved("hashfinder_cancellations_total", before).items()
    }
    assert set(codes) <= {"ResourceExhausted", "Canceled"}
    assert set(causes) <= {"budget", "client_cancel"}
    assert started == sum(codes.values()) == sum(causes.values())


class GateKernel:
    """Kernel and scanner that find nothing; a scan returns only when the gate is open."""

    backend = "gate"

    def __init__(self) -> None:
        """Start with the gate shut."""
        self.gate = threading.Event()

    def prepare(self, query: Query) -> "GateKernel":
        """Return itself."""
        return self

    def scan(
        self,
        start: int,
        stop: int,
        best_distance: int,
        capacity: int,
        halt: bytearray | None = None,
    ) -> Scan:
        """Wait for the gate."""
        assert self.gate.wait(20)
        return Scan(stop, [])


def stop_for(cause: str, running: RunningApplication, kernel: GateKernel) -> None:
    """End the search for one of the server's causes, without yielding to the event loop."""
    if cause == "shutdown":
        running.application.stop_searches()
    kernel.gate.set()
    eventually(lambda: running.samples().value("hashfinder_workers_busy") == 0, "it is stopped")


@pytest.mark.parametrize("late", ["cancel", "deadline"])
@pytest.mark.parametrize("cause", ["budget", "quota", "shutdown"])
@pytest.mark.parametrize("method", METHODS)
async def test_the_first_cause_wins(
    application: StartApplication, method: str, cause: str, late: str
) -> None:
    """The first cause is kept, even if the client leaves before it receives the status."""
    kernel = GateKernel()
    limits = {"client_hash_rate": 1, "client_hash_burst": 100} if cause == "quota" else {}
    running = await application(kernel, workers=1, **limits)
    budget = 200 if cause == "budget" else 10**6
    request = HashNameRequest(desired_name="hopelessly", maximum_hashes=budget)
    before = running.samples()
    with grpc.insecure_channel(running.application.address) as channel:  # has threads of its own
        stub = HashFinderStub(channel)
        timeout = 1.0 if late == "deadline" else None
        start = stub.Find.future if method == "Find" else stub.FindRange
        call = start(request, timeout=timeout)
        await running.eventually(lambda s: s.value("hashfinder_workers_busy") == 1, "it is scanned")

        # From here to the next await the server's loop does not run, so that it sees both events
        # at the same time.
        stop_for(cause, running, kernel)
        if late == "cancel":
            call.cancel()
        code = call.code()
        time.sleep(0.2)  # noqa: ASYNC251  # must block the loop

        after = await running.eventually(
            lambda s: bool(s.moved("grpc_server_handled_total", before)), "the RPC is counted"
        )
    expected = grpc.StatusCode.CANCELLED if late == "cancel" else grpc.StatusCode.DEADLINE_EXCEEDED
    assert expected == code
    assert {cancelled(method=method, cause=cause): 1} == after.moved(
        "hashfinder_cancellations_total", before
    )
    assert [1] == list(after.moved("grpc_server_handled_total", before).values())


async def test_cancel_before_the_drain_stays_a_cancel(application: StartApplication) -> None:
    """A drain that follows a cancel counts nothing more."""
    running = await application()
    before = running.samples()
    call = running.stub.Find(HOPELESS)
    await running.active(1)

    call.cancel()
    await running.active(0)
    running.application.lifecycle.ask_to_stop()

    after = await running.eventually(
        lambda s: bool(s.moved("hashfinder_cancellations_total", before)), "it is counted"
    )
    assert {cancelled(method="Find", cause="client_cancel"): 1} == after.moved(
        "hashfinder_cancellations_total", before
    )


def test_client_that_does_not_read_parks_its_search(server: ServerProcess) -> None:
    """Unread results pause the search and use no more memory; reading resumes it."""
    dense = HashNameRequest(desired_name="hopelessly", interesting_hamming_distance=10)
    memory = server.metric("process_resident_memory_bytes")
    with server.stub(**SMALL_WINDOW) as stub:
        call = stub.FindRange(dense)
        assert next(call).position == 0

        server.wait_for_parked(1)
        wait_until_quiet(server)
        assert server.metric("process_resident_memory_bytes") - memory < 64 * 2**20
        parked = server.samples()

        assert list(range(1, 15_001)) == [next(call).position for _ in range(15_000)]
        assert server.samples().moved("hashfinder_hashes_total", parked)
        assert server.metric("hashfinder_searches_active") == 1
        call.cancel()
        server.wait_until_idle()
    assert server.metric("hashfinder_searches_parked") == 0


@pytest.mark.parametrize(
    ("cause", "options"),
    [
        ("client_cancel", {}),
        ("client_cancel", SMALL_WINDOW),
        ("deadline", {}),
        ("deadline", SMALL_WINDOW),
        ("disconnect", {}),
    ],
    ids=["cancel", "cancel, small", "deadline", "deadline, small", "disconnect"],
)
def test_parked_search_ends_like_any_other(
    server: ServerProcess, cause: str, options: dict[str, int]
) -> None:
    """A parked search is freed by every stop, and counted with its cause."""
    dense = HashNameRequest(desired_name="hopelessly", interesting_hamming_distance=10)
    before = server.samples()
    if cause == "disconnect":
        with client_process(server, "FindRange", 1, interesting=10) as process:
            server.wait_for_parked(1)
            process.send_signal(signal.SIGKILL)
    else:
        with server.stub(**options) as stub:
            call = stub.FindRange(dense, timeout=2.5 if cause == "deadline" else None)
            server.wait_for_parked(1)
            if cause == "client_cancel":
                call.cancel()
            eventually(lambda: stops_since(server, before) == 1, "it counts")

    eventually(
        lambda: bool(server.samples().moved("hashfinder_cancellations_total", before)), "it counts"
    )
    server.wait_until_idle()
    after = server.samples()
    assert {cancelled(method="FindRange", cause=cause): 1} == after.moved(
        "hashfinder_cancellations_total", before
    )
    assert after.value("hashfinder_searches_parked") == 0


def test_time_limit_frees_the_slot_of_a_stalled_client(run_server: RunServer) -> None:
    """The client gets all results found so far, without a gap, and then the status."""
    dense = HashNameRequest(desired_name="hopelessly", interesting_hamming_distance=10)
    with run_server("--maximum-seconds", "1") as server, server.stub(**SMALL_WINDOW) as stub:
        call = stub.FindRange(dense)
        server.wait_for_parked(1)
        eventually(
            lambda: server.metric("hashfinder_searches_active") == 0, "its place is free", 20
        )
        positions: list[int] = []
        with pytest.raises(grpc.RpcError):
            positions.extend(message.position for message in call)
        assert list(range(len(positions))) == positions
        assert grpc.StatusCode.RESOURCE_EXHAUSTED == call.code()
        assert "1 s" in str(call.details())
        server.wait_until_idle()
        assert 1 == server.metric("hashfinder_cancellations_total", cause="budget")


def wait_until_quiet(server: ServerProcess) -> None:
    """Return when no hashes are computed any more, so gRPC's buffers are full."""

    def quiet() -> bool:
        earlier = server.samples()
        time.sleep(0.3)
        return not server.samples().moved("hashfinder_hashes_total", earlier)

    eventually(quiet, "nothing is hashed any more", seconds=30)
