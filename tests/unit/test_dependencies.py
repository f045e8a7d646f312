"""Each distribution declares what its modules import, and nothing else."""

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FOLDERS = ["proto", "services/hashfinder", "clients/python", "clients/cli", "clients/web"]
COME_ALONG = {
    "_typeshed",  # for type checkers alone
    "pydantic",  # with pydantic-settings
    "pydantic_core",
}
OF_THE_EXTRA = {
    "hashfinder_process.json_lines",
    "hashfinder_process.logs",
    "hashfinder_process.settings",
}
IMPORTS = """
import sys
from importlib import import_module
for name in ("structlog", "pydantic", "pydantic_core", "pydantic_settings"):
    sys.modules[name] = None  # importing it fails
for name in sys.argv[1:]:
    try:
        import_module(name)
    except ImportError:
        print(name)
"""


def project(folder: str) -> dict[str, Any]:
    """Return what one of our distributions declares."""
    text = (ROOT / folder / "pyproject.toml").read_text(encoding="utf-8")
    declared: dict[str, Any] = tomllib.loads(text)["project"]
    return declared


def requirements(folder: str, *, extras: bool = False) -> list[Requirement]:
    """Return its dependencies, with those of its extras if asked."""
    declared = project(folder)
    optional = declared.get("optional-dependencies", {}).values() if extras else ()
    return [Requirement(each) for each in sum(optional, declared["dependencies"])]


def modules(folder: str) -> dict[str, Path]:
    """Return its modules, by name."""
    source = ROOT / folder / "src"
    paths = {path.relative_to(source).with_suffix(""): path for path in source.rglob("*.py")}
    return {".".join(path.parts).removesuffix(".__init__"): paths[path] for path in paths}


def imported(folder: str) -> set[str]:
    """Return the packages that its modules import, late imports included."""
    names = set()
    for path in modules(folder).values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_imported_is_declared(folder: str) -> None:
    """As a dependency, or as one of an extra. The packages of an extra need not be installed."""
    owners = packages_distributions()
    declared = {canonicalize_name(each.name) for each in requirements(folder, extras=True)}
    declared.add(project(folder)["name"])

    def is_declared(package: str) -> bool:
        known = {canonicalize_name(each) for each in owners.get(package, ())}
        return bool(known & declared) or any(each.startswith(f"{package}-") for each in declared)

    packages = imported(folder) - sys.stdlib_module_names - COME_ALONG
    assert packages
    assert [] == [each for each in sorted(packages) if not is_declared(each)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_declared_is_imported(folder: str) -> None:
    """Nothing is installed for no module's sake."""
    owners = packages_distributions()
    used = {canonicalize_name(each) for name in imported(folder) for each in owners.get(name, ())}
    declared = {canonicalize_name(each.name) for each in requirements(folder)}
    assert set() == declared - used


def test_contract_alone_imports_all_but_what_needs_its_extra() -> None:
    """Where only gRPC and protobuf are installed."""
    command = [sys.executable, "-c", IMPORTS, *modules("proto")]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert OF_THE_EXTRA == set(failed.stdout.split())


@pytest.mark.parametrize("folder", FOLDERS[1:])
def test_programs_that_share_these_modules_ask_for_the_extra(folder: str) -> None:
    """The server and the gateway; no client."""
    [contract] = [each for each in requirements(folder) if each.name == "hashfinder-proto"]
    needs = "hashfinder_process.settings" in "".join(
        path.read_text(encoding="utf-8") for path in modules(folder).values()
    )
    assert ({"process"} if needs else set()) == contract.extras
