"""The dependencies of `pip install ./proto ./clients/python` are all that the library needs."""

import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
LOCKS = ROOT / "requirements"
NEEDED = """
import sys
for name in {absent!r}:
    sys.modules[name] = None  # Importing it fails.
from hashfinder_client import AsyncFinder, Finder
with Finder("127.0.0.1:1"):
    pass
"""


def needs(folder: str) -> set[str]:
    """Return the dependencies of one of our distributions."""
    text = (ROOT / folder / "pyproject.toml").read_text(encoding="utf-8")
    listed = tomllib.loads(text)["project"]["dependencies"]
    return {canonicalize_name(Requirement(each).name) for each in listed}


def test_it_needs_grpc_protobuf_and_the_contract_alone() -> None:
    """It needs neither typer nor rich nor the server nor the command line."""
    assert needs("clients/python") == {
        "googleapis-common-protos",
        "grpcio",
        "grpcio-status",
        "hashfinder-proto",
        "protobuf",
    }
    assert needs("proto") == {"grpcio", "protobuf"}


def test_it_runs_where_nothing_else_is_installed() -> None:
    """No import needs more, not even a late one."""
    absent = ["typer", "rich", "click", "hashfinder", "hashfinder_cli", "grpc_health", "pydantic"]

    subprocess.run(
        [sys.executable, "-W", "error", "-c", NEEDED.format(absent=absent)], check=True, timeout=30
    )
