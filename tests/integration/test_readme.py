"""The README's commands and code do what it says."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.integration.server_process import ServerProcess

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXCHANGES = re.findall(r"```console\n\$ (.*)\n((?:.*\n)*?)```", README)


def run(command: str, server: str) -> str:
    """Run a `hashfinder` command line against a server; return its output."""
    program, *arguments = shlex.split(command)
    assert program == "hashfinder"
    completed = subprocess.run(
        [sys.executable, "-m", "hashfinder_cli", *arguments, "--server", server],
        capture_output=True,
        check=True,
        text=True,
        timeout=50,
    )
    return completed.stdout


def test_exchange_is_real(server_process: Callable[..., ServerProcess]) -> None:
    """Every terminal exchange in the README prints what it shows."""
    server = server_process()

    assert EXCHANGES
    for command, printed in EXCHANGES:
        assert printed == run(command, server.address)


def test_python_is_real(server_process: Callable[..., ServerProcess]) -> None:
    """The README's Python code runs unchanged, except for the address."""
    server = server_process()
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert "127.0.0.1:50051" in program

    completed = subprocess.run(
        [sys.executable, "-c", program.replace("127.0.0.1:50051", server.address)],
        capture_output=True,
        check=True,
        text=True,
        timeout=50,
    )

    assert "doctor" in completed.stdout.lower()
