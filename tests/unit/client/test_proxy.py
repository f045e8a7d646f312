"""Proxy variables never apply to this machine, and a failing proxy is named (fault 21)."""

import pytest
from grpc import StatusCode

from hashfinder_client.channel import channel_options
from hashfinder_client.proxy import EXCEPTION_VARIABLES, PROXY_VARIABLES, is_local, proxy_note
from hashfinder_client.status import RpcStatus

FAILED = RpcStatus(StatusCode.UNAVAILABLE, "Connection refused")
NAMED = "Connection refused (through the proxy proxy.test:3128 that http_proxy names)"


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy with user and password, in the variable with the lowest precedence."""
    for name in PROXY_VARIABLES + EXCEPTION_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://user:secret@proxy.test:3128")


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:1",
        "127.8.9.10:1",
        "[::1]:1",
        "[::ffff:127.0.0.1]:1",
        "localhost:1",
        "LOCALHOST:1",
        "api.localhost:1",
        "dns:///localhost:1",
        "dns://9.9.9.9/127.0.0.1:1",
        "unix:/run/hashfinder.sock",
    ],
)
def test_this_machine(target: str) -> None:
    """The channel disables proxies, and no proxy is named."""
    assert is_local(target)
    assert ("grpc.enable_http_proxy", 0) in channel_options(target)
    assert FAILED is FAILED.with_note(proxy_note(target))


@pytest.mark.parametrize(
    "target", ["host.test:1", "dns:///host.test:1", "dns://127.0.0.1/host.test:1", "10.0.0.1:1"]
)
def test_another_machine(target: str) -> None:
    """The message names the proxy and its variable, but neither user nor password."""
    assert not is_local(target)
    assert "grpc.enable_http_proxy" not in dict(channel_options(target))
    assert NAMED == FAILED.with_note(proxy_note(target)).text


def test_which_variable_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one in gRPC's order that is set and not empty."""
    monkeypatch.setenv("https_proxy", "")
    assert NAMED == FAILED.with_note(proxy_note("host.test:1")).text
    monkeypatch.setenv("grpc_proxy", "other.test:1")
    assert (
        "the proxy other.test:1 that grpc_proxy names"
        in FAILED.with_note(proxy_note("host.test:1")).text
    )


@pytest.mark.parametrize("exceptions", ["host.test", ".test", "a.b, test", "10.0.0.0/8,host.test"])
@pytest.mark.parametrize("variable", EXCEPTION_VARIABLES)
def test_exceptions(monkeypatch: pytest.MonkeyPatch, variable: str, exceptions: str) -> None:
    """No proxy is named for a host that is exempt."""
    monkeypatch.setenv(variable, exceptions)
    assert FAILED is FAILED.with_note(proxy_note("host.test:1"))
    assert FAILED is not FAILED.with_note(proxy_note("host.example:1"))
    assert (FAILED is FAILED.with_note(proxy_note("10.1.2.3:1"))) == ("10.0.0.0/8" in exceptions)


@pytest.mark.parametrize("code", [StatusCode.INTERNAL, StatusCode.OK])
def test_nothing_to_name(code: StatusCode) -> None:
    """Only a failed connection can be the proxy's fault."""
    status = RpcStatus(code, "text")
    assert status is status.with_note(proxy_note("host.test:1"))
