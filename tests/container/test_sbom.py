"""`make sbom`: the bill of materials lists everything in the image."""

import json
import re
import subprocess
import sys

import pytest

from tests.container.stack import ROOT, docker

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]

OURS = {
    ("hashfinder", "0.1.0"),
    ("hashfinder-cli", "0.1.0"),
    ("hashfinder-client", "0.1.0"),
    ("hashfinder-proto", "0.1.0"),
}


def locked(lock: str) -> set[tuple[str, str]]:
    """Return the packages and versions that a lock installs on Linux."""
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    pins = re.findall(r"^([a-z0-9-]+)==(\S+)( ; .*win32.*)?", text, re.MULTILINE)
    return {(name, version) for name, version, elsewhere in pins if not elsewhere}


def test_bill_of_materials_lists_the_locked_packages_and_those_of_debian(image: str) -> None:
    """Python's packages are the locked ones and ours; Debian's are those of dpkg."""
    done = subprocess.run(
        [sys.executable, ROOT / "deploy/sbom.py", image],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )

    bill = json.loads(done.stdout)
    assert ("CycloneDX", "1.6") == (bill["bomFormat"], bill["specVersion"])
    assert image == bill["metadata"]["component"]["name"]
    listed: dict[str, set[tuple[str, str]]] = {"pypi": set(), "deb": set(), "generic": set()}
    for component in bill["components"]:
        kind = component["purl"].removeprefix("pkg:").partition("/")[0]
        listed[kind].add((component["name"].lower().replace("_", "-"), component["version"]))
    assert locked("server.txt") | locked("cli.txt") | OURS <= listed["pypi"]
    assert {"python"} == {name for name, _ in listed["generic"]}
    query = ("--show", "--showformat=${Package} ${Version}\n")
    known = docker("run", "--rm", "--network=none", "--entrypoint=dpkg-query", image, *query)
    assert {tuple(line.split()) for line in known.splitlines()} == listed["deb"]
