"""A burst of RPCs: each gets an answer from this server, and none is dropped by gRPC."""

from collections import Counter
from collections.abc import Callable

import grpc

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.server.endings import ending_of
from tests.integration.server_process import ServerProcess, eventually

RPCS = 2000


def refused(server: ServerProcess) -> float:
    """Return how many Find RPCs the server has counted as refused."""
    return server.metric(
        "grpc_server_handled_total", grpc_method="Find", grpc_code="ResourceExhausted"
    )


def test_no_rpc_of_a_burst_is_lost(server_process: Callable[..., ServerProcess]) -> None:
    """Beyond the limits an RPC is refused with our own reason; gRPC itself drops none."""
    server = server_process(
        "--maximum-searches=4",
        "--maximum-searches-per-client=50",
        "--maximum-waiting=20",
        "--wait-seconds=0.3",
    )
    request = HashNameRequest(desired_name="hopelessly")
    with server.stub() as stub:
        held = [stub.Find.future(request) for _ in range(4)]
        server.wait_for_searches(4)
        calls = [stub.Find.future(request, timeout=50) for _ in range(RPCS)]
        reasons: Counter[str] = Counter()
        for call in calls:
            error = call.exception()
            assert isinstance(error, grpc.RpcError)
            ending = ending_of(error)
            assert grpc.StatusCode.RESOURCE_EXHAUSTED == ending.code, ending
            reasons[ending.reason] += 1
        eventually(lambda: refused(server) == RPCS, "every refusal is counted")
        for call in held:
            call.cancel()
        server.wait_until_idle()

    assert set(reasons) <= {"SERVER_OVERLOADED", "TOO_MANY_SEARCHES"}
    assert reasons["SERVER_OVERLOADED"] >= 20
    assert RPCS == reasons.total()


def test_a_burst_that_fits_is_all_served(server_process: Callable[..., ServerProcess]) -> None:
    """Within the limits, no RPC of a burst is refused."""
    server = server_process(
        "--maximum-searches=4",
        "--maximum-searches-per-client=2000",
        "--maximum-waiting=2000",
        "--wait-seconds=60",
    )
    with server.stub() as stub:
        request = HashNameRequest(desired_name="a")
        first = stub.Find(request)
        calls = [stub.Find.future(request, timeout=60) for _ in range(RPCS)]
        assert Counter({first.secret: RPCS}) == Counter(call.result().secret for call in calls)
