"""nginx and Envoy in front of the server, with the files of deploy/proxies."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import grpc
import pytest

from hashfinder_client import (
    BudgetSpentError,
    Finder,
    Match,
    Pause,
    Progress,
    Query,
    SearchEvent,
    resumable_search,
)
from hashfinder_proto.hash_name_pb2 import HashNameRequest
from tests.integration.broken_networks.conftest import PORT, StartProxy
from tests.integration.server.endings import ending_of

pytestmark = pytest.mark.netns
both = pytest.mark.parametrize("name", ["nginx", "envoy"])

HOPELESS = HashNameRequest(desired_name="hopelesslyhopeless")
SHORT = HashNameRequest(desired_name="hopelessly", maximum_hashes=1000)
LEFT = {"nginx": "disconnect", "envoy": "client_cancel"}
"""nginx ends an RPC by closing its connection, Envoy by a reset."""
NAMES = Query("doctor0", inferior_distance=3, maximum_hashes=400_000)
"""The kernel in Python takes some 10 s for these hashes, longer than keepalive needs."""


def matches(events: list[SearchEvent]) -> list[int]:
    """Return the positions of the results."""
    return [event.position for event in events if isinstance(event, Match)]


@both
def test_answers_and_errors_pass_unchanged(start_proxy: StartProxy, name: str) -> None:
    """Results, details, deadlines and the client's own address pass."""
    proxied = start_proxy(name)
    with proxied.stub() as stub:
        assert "dad" in stub.Find(HashNameRequest(desired_name="dad")).hashed_name.lower()
        with pytest.raises(grpc.RpcError) as spent:
            stub.Find(SHORT)
        with pytest.raises(grpc.RpcError) as invalid:
            deque(stub.FindRange(HashNameRequest()))
        with pytest.raises(grpc.RpcError) as late:
            stub.Find(HOPELESS, timeout=0.5)
    assert "HASH_BUDGET_EXHAUSTED" == ending_of(spent.value).reason
    assert 1000 == ending_of(spent.value).progress.next_position
    assert {"BadRequest", "ErrorInfo"} == ending_of(invalid.value).details.keys()
    assert grpc.StatusCode.DEADLINE_EXCEEDED == late.value.code()
    proxied.server.wait_until_idle()
    assert 4 == proxied.searches()
    assert {f"user:{proxied.network.server_address}"} == {
        line["client"] for line in proxied.server.logs("rpc ended")
    }


@both
@pytest.mark.parametrize("method", ["Find", "FindRange"])
def test_client_that_leaves_frees_its_slot(start_proxy: StartProxy, name: str, method: str) -> None:
    """The server stops the search at once, with the cause that the guide states."""
    proxied = start_proxy(name)
    with proxied.stub() as stub:
        call = stub.Find.future(HOPELESS) if method == "Find" else stub.FindRange(HOPELESS)
        proxied.server.wait_for_searches(1)
        call.cancel()
        proxied.server.wait_until_idle(5)
    assert {LEFT[name]: 1} == proxied.causes()


@both
def test_client_that_vanishes_frees_its_slot(start_proxy: StartProxy, name: str) -> None:
    """The proxy's own keepalive finds the silent connection."""
    quicker = {
        "so_keepalive=20s:5s:3": "so_keepalive=1s:1s:2",
        "connection_keepalive: {interval: 20s, timeout: 10s}": (
            "connection_keepalive: {interval: 1s, timeout: 1s}"
        ),
    }
    proxied = start_proxy(name, changes=quicker)
    with proxied.stub() as stub:
        call = stub.FindRange(HOPELESS)
        proxied.server.wait_for_searches(1)
        time.sleep(4)
        assert 1 == proxied.server.metric("hashfinder_searches_active"), "a live client stays"
        with proxied.network.partition("-p", "tcp", "-m", "multiport", "--ports", str(PORT)):
            proxied.server.wait_until_idle(20)
        call.cancel()
    assert {LEFT[name]: 1} == proxied.causes()


@both
def test_time_limit_of_a_proxy_ends_an_rpc(start_proxy: StartProxy, name: str) -> None:
    """If it is shorter than a search, the search resumes; no result is repeated or missing.

    The proxy does not repeat the RPC.
    """
    shorter = {"grpc_read_timeout 3610s": "grpc_read_timeout 1s", "timeout: 0s\n": "timeout: 2s\n"}
    proxied = start_proxy(name, changes=shorter)
    with proxied.stub() as stub, pytest.raises(grpc.RpcError) as cut:
        stub.Find(HOPELESS)
    assert cut.value.code() in {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
    proxied.server.wait_until_idle(5)
    assert 1 == proxied.searches(), "nobody has asked again"
    assert {LEFT[name]: 1} == proxied.causes()


def test_silent_search_outlasts_the_usual_limit_of_a_route(start_proxy: StartProxy) -> None:
    """The default is 15 s in Envoy."""
    proxied = start_proxy("envoy")
    with proxied.stub() as stub, pytest.raises(grpc.RpcError) as late:
        stub.Find(HOPELESS, timeout=18)
    assert grpc.StatusCode.DEADLINE_EXCEEDED == late.value.code()
    proxied.server.wait_until_idle(5)
    assert 1 == proxied.searches()


@both
def test_search_goes_on_where_the_server_was_cut_off(
    start_proxy: StartProxy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of the proxy's connection to the server is only noticed by the missing reports.

    After two RPCs the results are the same; the server's keepalive frees the slot.
    """
    monkeypatch.setattr(resumable_search, "LEAST_PATIENCE", 3.0)
    proxied = start_proxy(name, "--kernel", "python")
    port = proxied.server.address.rpartition(":")[2]
    with Finder(proxied.address, timeout=math.inf, progress_interval=0.05, tls=proxied.tls) as it:
        expected = everything(it, lambda: None)
        reported = threading.Event()

        def cut() -> None:
            assert reported.wait(20)
            with proxied.network.partition("-p", "tcp", "-m", "multiport", "--ports", port):
                proxied.server.wait_until_idle(20)

        cutting = threading.Thread(target=cut)
        cutting.start()
        events = everything(it, reported.set)
        cutting.join()
    assert matches(expected) == matches(events)
    assert any(isinstance(event, Pause) for event in events)
    assert 1 == proxied.causes()["disconnect"]
    assert 3 == proxied.searches(), "one undisturbed, and two"


def everything(finder: Finder, reported: Callable[[], None]) -> list[SearchEvent]:
    """Return all events of a search without an ideal result; call `reported` after each report.

    Before its first report a server may be one that never reports, so silence means nothing.
    """
    events: list[SearchEvent] = []
    with suppress(BudgetSpentError), finder.find_range(NAMES) as coming:
        for event in coming:
            events.append(event)
            if isinstance(event, Progress):
                reported()
    return events
