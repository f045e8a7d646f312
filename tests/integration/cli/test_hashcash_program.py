"""Debian's `hashcash` accepts the stamps of `hashfinder pow hashcash`."""

import random
import string
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.scripted import Run
from tests.integration.server_process import ServerProcess

pytestmark = pytest.mark.tools
STAMPS = 50
CHARACTERS = string.ascii_letters + string.digits + "@.-_+/"


def accepts(stamp: str, bits: int, resource: str, spent: Path) -> bool:
    """Return whether the program accepts a stamp; it records it as spent in the file `spent`."""
    command = ["hashcash", "-c", "-d", "-f", str(spent), "-b", str(bits), "-r", resource, stamp]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_stamps_are_accepted_once(call: Run, module_server: ServerProcess, tmp_path: Path) -> None:
    """Random resources, dates, extensions and bits; a stamp is valid once, for its own resource."""
    seed = time.time_ns()
    source = random.Random(seed)  # noqa: S311  # stamps to try, no secrets
    spent = tmp_path / "spent.sdb"
    for _ in range(STAMPS):
        bits = source.randint(1, 18)
        resource = "".join(source.choices(CHARACTERS, k=source.randint(1, 40)))
        asked = ["--bits", str(bits)]
        if source.random() < 0.5:
            asked += ["--extension", "".join(source.choices(string.ascii_letters, k=5))]
        if source.random() < 0.5:
            form = source.choice(["%y%m%d", "%y%m%d%H%M", "%y%m%d%H%M%S"])
            asked += ["--date", time.strftime(form, time.gmtime(time.time() - 60))]
        done = call("pow", "hashcash", *asked, "--server", module_server.address, "--", resource)
        assert (0, "") == (done.returncode, done.stderr)
        stamp = done.stdout.strip()
        which = f"{stamp!r}, seed {seed}"
        assert not accepts(stamp, bits, "other", spent), which
        assert accepts(stamp, bits, resource, spent), which
        assert not accepts(stamp, bits, resource, spent), which
