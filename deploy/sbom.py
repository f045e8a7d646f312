"""`make sbom`: the software bill of materials of the image, as CycloneDX JSON on stdout.

It lists what a scanner compares with advisories: Debian's packages, Python, and Python's packages,
as the image itself records them. Our own code, since it needs only Docker and Python, also offline:
BuildKit's `--sbom` pulls a scanner image, and CycloneDX tools for Python omit Debian's packages.
"""

import argparse
import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

# Runs in a container of the image, with the image's own Python.
INVENTORY = r"""
import importlib.metadata, json, platform, re
def fields(text):
    return dict(re.findall(r'^([\w-]+)(?:: |=)"?([^"\n]*)"?$', text, re.MULTILINE))
packages = map(fields, open('/var/lib/dpkg/status', encoding='utf-8').read().split('\n\n'))
print(json.dumps({
    'release': fields(open('/etc/os-release').read())['VERSION_ID'],
    'python': platform.python_version(),
    'debian': [
        (each['Package'], each['Version'], each['Architecture'])
        for each in packages if each.get('Status') == 'install ok installed'
    ],
    'pypi': [
        (each.name, each.version, each.metadata['License-Expression'])
        for each in importlib.metadata.distributions()
    ],
}))
"""


def inventory(image: str) -> dict[str, Any]:
    """Return what is installed in `image`.

    Raises:
        subprocess.CalledProcessError: there is no such image, or no Docker; docker has said which.
    """
    container = ("--rm", "--network=none", "--read-only", "--cap-drop=ALL")
    command = ["docker", "run", *container, "--entrypoint=python", image, "-c", INVENTORY]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


def bill_of_materials(image: str, installed: dict[str, Any]) -> dict[str, object]:
    """Return the CycloneDX document of an image with what is installed in it."""
    python = installed["python"]
    components = [_component("python", python, f"pkg:generic/python@{python}")]
    for name, version, architecture in installed["debian"]:
        where = f"?arch={architecture}&distro=debian-{installed['release']}"
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}{where}"
        components.append(_component(name, version, purl))
    for name, version, expression in installed["pypi"]:
        purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{quote(version)}"
        licenses = {"licenses": [{"expression": expression}]} if expression else {}
        components.append(_component(name, version, purl) | licenses)
    unique = {each["bom-ref"]: each for each in components}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "component": {"type": "container", "name": image, "bom-ref": image},
        },
        "components": sorted(unique.values(), key=lambda each: each["bom-ref"]),
    }


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", help="the name of an image that this machine has")
    image = parser.parse_args().image
    try:
        installed = inventory(image)
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    json.dump(bill_of_materials(image, installed), sys.stdout, indent=2)
    print()
    return 0


def _component(name: str, version: str, purl: str) -> dict[str, Any]:
    return {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}


if __name__ == "__main__":
    sys.exit(main())
