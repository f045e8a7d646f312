"""A gateway that the server's policy trusts: its clients are users of the server."""

from pathlib import Path

from tests.integration.gateway_process import RunGateway
from tests.integration.server_process import RunServer

_ACCESS = Path(__file__).parents[1] / "server/access"
_TOKEN = "test-token-of-web"


def test_clients_have_the_limits_of_users(
    run_gateway: RunGateway, run_server: RunServer, tmp_path: Path
) -> None:
    """The limits are not the gateway's; the server logs the user of each RPC."""
    token = tmp_path / "token"
    token.write_text(f"{_TOKEN}\n")
    token.chmod(0o600)
    access = (f"--tokens={_ACCESS / 'tokens'}", f"--policy={_ACCESS / 'policy.toml'}")
    with run_server(*access) as server:
        with run_gateway(server, f"--token-file={token}", "--on-behalf-of") as gateway:
            _, lines = gateway.lines("hopelessly")
            gateway.request("GET", "/find/hopelessly", headers={"hashfinder-client": "a"})
        server.wait_until_idle()
        ended = [line for line in server.logs("rpc ended") if line["method"] == "FindRange"]

    end = lines[-1]["end"]
    assert ("HASH_BUDGET_EXHAUSTED", "500") == (end["reason"], end["nextPosition"])
    assert ["user:127.0.0.1", "user:127.0.0.1/a"] == [line["client"] for line in ended]


def test_an_unknown_token_is_refused_with_the_servers_text(
    run_gateway: RunGateway, run_server: RunServer, tmp_path: Path
) -> None:
    """The HTTP status corresponds to it."""
    token = tmp_path / "token"
    token.write_text("a-token-that-nobody-knows\n")
    access = (f"--tokens={_ACCESS / 'tokens'}", f"--policy={_ACCESS / 'policy.toml'}")
    with run_server(*access) as server, run_gateway(server, f"--token-file={token}") as gateway:
        status, lines = gateway.lines("dad")

    end = lines[-1]["end"]
    assert (401, "unauthenticated", "TOKEN_UNKNOWN") == (status, end["code"], end["reason"])
