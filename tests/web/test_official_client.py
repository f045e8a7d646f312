"""The official clients of the Connect protocol work with the gateway, in Node and in Chromium."""

import base64
import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import google.rpc
import pytest
from playwright.sync_api import BrowserContext

from tests.integration.gateway_process import GatewayProcess
from tests.integration.server_process import ServerProcess, eventually

pytestmark = pytest.mark.web

MODULES = Path(os.environ.get("NODE_PATH", ""))
PROTO = Path(__file__).parents[2] / "proto"
ROBOT = {"secret": "B3XQ", "hashedName": "o6Q4iMOMUgCk8NGrobOtQjzBZVM=", "position": "554705"}


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the contract and the error details as protoc's descriptors, in base64."""
    google_folder = Path(google.rpc.__path__[0]).parents[1]
    described = tmp_path_factory.mktemp("proto") / "descriptors"
    words = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{PROTO}",
        f"-I{google_folder}",
        f"-I{files('grpc_tools') / '_proto'}",
        "--include_imports",
        f"--descriptor_set_out={described}",
        "hash_name.proto",
        "google/rpc/error_details.proto",
    ]
    subprocess.run(words, check=True)
    return base64.b64encode(described.read_bytes()).decode()


def bundle(name: str, folder: Path, *flags: str) -> Path:
    """Return a program of this folder, bundled with the official client."""
    bundled = folder / name
    program = Path(__file__).with_name(name)
    words = [str(MODULES / ".bin" / "esbuild"), str(program), "--bundle", "--log-level=warning"]
    subprocess.run([*words, f"--outfile={bundled}", *flags], check=True)
    return bundled


def check(report: dict[str, Any]) -> None:
    """Check the result of each kind of call."""
    for codec in ("json", "binary"):
        calls = report[codec]
        assert ROBOT == calls["post"] == calls["get"]
        assert calls["estimate"]["expectedHashes"] > 1e6
        assert calls["stream"]["error"] is None
        *inferior, last = calls["stream"]["messages"]
        assert ROBOT == last
        assert {1} == {each["hammingDistance"] for each in inferior}
        assert 67 == len(inferior)
        assert "InvalidArgument" == calls["invalid"]["code"]
        violations = calls["invalid"]["details"]["google.rpc.BadRequest"]["fieldViolations"]
        assert ["desired_name", "ideal_hamming_distance"] == [each["field"] for each in violations]
        budget = calls["budget"]["error"]
        assert "ResourceExhausted" == budget["code"]
        assert "HASH_BUDGET_EXHAUSTED" == budget["details"]["google.rpc.ErrorInfo"]["reason"]
        assert "1000" == budget["details"]["hash_name.SearchProgress"]["nextPosition"]
        assert "client" == budget["details"]["google.rpc.QuotaFailure"]["violations"][0]["subject"]
    assert 2 == len(report["aborted"]["messages"])
    assert "Canceled" == report["aborted"]["error"]["code"] == report["unaryAborted"]["code"]
    assert "DeadlineExceeded" == report["timeout"]["error"]["code"]
    assert "DeadlineExceeded" == report["unaryTimeout"]["code"]


class Counted:
    """The stops that the server has counted since the start."""

    def __init__(self, server: ServerProcess) -> None:
        """Start counting."""
        self._server = server
        self._before = server.samples()

    def check(self) -> None:
        """Two budgets, two aborts, and two timeouts, by the client's or the server's clock."""

        def stops() -> dict[str, int]:
            found: dict[str, int] = {}
            moved = self._server.samples().moved("hashfinder_cancellations_total", self._before)
            for labels, count in moved.items():
                cause = dict(labels)["cause"]
                found[cause] = found.get(cause, 0) + int(count)
            return found

        eventually(lambda: sum(stops().values()) >= 6, "all stops are counted")
        self._server.wait_until_idle()
        counted = stops()
        assert 2 == counted.pop("budget")
        assert {"client_cancel", "deadline"} >= set(counted)
        assert 4 == sum(counted.values())
        assert 2 <= counted["client_cancel"]


@pytest.mark.parametrize("kind", ["web", "node"])
def test_the_client_in_node(
    server: ServerProcess, gateway: GatewayProcess, descriptors: str, tmp_path: Path, kind: str
) -> None:
    """connect-web with Node's fetch, and connect-node over HTTP/1.1."""
    program = bundle("official_client_node.mjs", tmp_path, "--platform=node", "--format=esm")
    counted = Counted(server)

    words = ["node", str(program), gateway.url, kind]
    run = subprocess.run(words, input=descriptors, stdout=subprocess.PIPE, text=True, check=True)

    check(json.loads(run.stdout))
    counted.check()


def test_the_client_in_chromium(
    context: BrowserContext,
    server: ServerProcess,
    gateway: GatewayProcess,
    descriptors: str,
    tmp_path: Path,
) -> None:
    """connect-web in a page; methods without side effects can use GET."""
    flags = ("--format=iife", "--global-name=official")
    program = bundle("official_client.mjs", tmp_path, *flags)
    page = context.new_page()
    page.goto(f"{gateway.url}/icon.svg")  # same origin, without searches
    methods: list[tuple[str, str]] = []
    page.on(
        "request",
        lambda each: methods.append((each.method, each.url.partition("?")[0].rpartition("/")[2])),
    )
    counted = Counted(server)

    code = program.read_text(encoding="utf-8")
    report = page.evaluate(
        f"async ([address, descriptors]) => {{ {code}\n"
        "return official.officialClient(address, descriptors, 'web') }",
        [gateway.url, descriptors],
    )

    check(report)
    counted.check()
    assert 2 == methods.count(("GET", "Find")) == methods.count(("GET", "Estimate"))
