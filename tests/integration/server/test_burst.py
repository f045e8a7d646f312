"""A burst of RPCs within the limits; `stops/test_burst.py` has one beyond all of them."""

from collections import Counter
from collections.abc import Callable

from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.server_process import ServerProcess

RPCS = 2000


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
