"""The references and the picture that `make docs` generates are complete."""

import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

import hashfinder_client
from hashfinder_proto import hash_name_admin_pb2, hash_name_pb2

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = DOCS / "reference"


def headings(page: str) -> list[str]:
    """Return the headings of a page."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    return re.findall(r"^#+ (.+)$", text, re.MULTILINE)


def test_contract_has_every_rpc_message_and_field() -> None:
    """According to the generated package."""
    text = (REFERENCE / "contract.md").read_text(encoding="utf-8")
    for file in (hash_name_pb2.DESCRIPTOR, hash_name_admin_pb2.DESCRIPTOR):
        for service in file.services_by_name.values():
            assert {f"{service.name}.{each.name}" for each in service.methods} <= set(
                headings("contract.md")
            )
        for message in file.message_types_by_name.values():
            section = text.partition(f"### {message.name}\n")[2].partition("\n#")[0]
            shown = re.findall(r"^\| (\d+) \| `(\w+)` \|", section, re.MULTILINE)
            assert [(str(field.number), field.name) for field in message.fields] == shown


def test_client_has_every_public_name() -> None:
    """Each is there once, as a heading."""
    shown = headings("client.md")
    assert not [name for name in hashfinder_client.__all__ if 1 != shown.count(name)]


def test_client_has_signatures_and_docstrings_and_no_code() -> None:
    """A class has its constructor, its public functions and its documented attributes."""
    text = (REFERENCE / "client.md").read_text(encoding="utf-8")
    finder = text.partition("### Finder\n")[2].partition("###")[0]
    assert "timeout: float = 300.0," in finder
    assert "Raises:" in finder
    assert "self._" not in finder
    assert "best: Candidate | None\n    " in text


@pytest.mark.parametrize("package", ["", "_client", "_cli", "_web", "_rules", "_process"])
def test_picture_has_every_module(package: str) -> None:
    """Each module and folder of a package is in it."""
    picture = (DOCS / "pictures/modules.svg").read_text(encoding="utf-8")
    panel = picture.partition(f">hashfinder{package}</text>")[2].partition('"name"')[0]
    modules = {
        each.name for each in pkgutil.iter_modules(import_module(f"hashfinder{package}").__path__)
    }
    assert modules <= set(re.findall(r">(\w+)</text>", panel))
