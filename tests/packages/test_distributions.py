"""What `make dist` builds: complete, of one version, and usable in new environments."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

pytestmark = [pytest.mark.dist, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
FOLDERS = re.findall(
    r"^DISTRIBUTIONS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
)[0].split()
PROJECTS = {
    tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "name"
    ]: folder
    for folder in FOLDERS
}
PYTHONS = ["python3.11", "python3.12", "python3.13"]
FINDS = """
import sys
from hashfinder_client import Finder
with Finder(sys.argv[1], timeout=60) as finder:
    print(finder.find("doc").hashed_name)
"""


def archive(name: str, suffix: str) -> Path:
    """Return the only archive of a distribution with this suffix."""
    [found] = DIST.glob(f"{name.replace('-', '_')}-[0-9]*{suffix}")
    return found


def metadata(name: str) -> Message:
    """Return the metadata of a distribution's wheel."""
    with zipfile.ZipFile(archive(name, ".whl")) as wheel:
        [path] = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
        return message_from_bytes(wheel.read(path))


def tracked(folder: str, *patterns: str) -> set[str]:
    """Return the files of a folder that Git tracks, relative to it."""
    command = ["git", "ls-files", *patterns]
    found = subprocess.run(  # the one on PATH
        command,
        cwd=ROOT / folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return set(found.stdout.split())


@pytest.mark.parametrize("name", PROJECTS)
def test_archives_are_complete(name: str) -> None:
    """The sdist has every source, the wheel every module; both have the licence and the types."""
    folder = PROJECTS[name]
    with tarfile.open(archive(name, ".tar.gz")) as sdist:
        inside = {member.name.partition("/")[2] for member in sdist.getmembers()}
    assert set() == tracked(folder, "src", "csrc", "LICENSE", "README.md", "*.toml") - inside
    with zipfile.ZipFile(archive(name, ".whl")) as wheel:
        names = set(wheel.namelist())
    assert set() == {path.removeprefix("src/") for path in tracked(folder, "src")} - names
    assert [] != [each for each in names if each.endswith("licenses/LICENSE")]
    assert [] == [each for each in names if "tests/" in each or each.endswith(".c")]


@pytest.mark.parametrize("name", PROJECTS)
def test_metadata_is_correct(name: str) -> None:
    """One version for all, a description, and only Python versions on which CI runs the tests."""
    found = metadata(name)
    assert metadata("hashfinder")["Version"] == found["Version"]
    assert "Apache-2.0" == found["License-Expression"]
    assert str(found.get_payload()).startswith(f"# {name}\n")
    versions = re.findall(r":: (3\.\d+)", "\n".join(found.get_all("Classifier", [])))
    assert ["3.11", "3.13"] == versions
    assert ">=3.11" == found["Requires-Python"]


@pytest.mark.skipif(platform.system() != "Linux", reason="the tag is one of Linux")
def test_kernel_works_with_any_python_and_old_systems() -> None:
    """It uses the stable ABI of Python 3.11, and a C library of 2014."""
    assert re.search(r"-cp311-abi3-manylinux.*2_17_", archive("hashfinder", ".whl").name)


Install = Callable[..., Path]


@pytest.fixture(params=PYTHONS)
def install(request: pytest.FixtureRequest, tmp_path: Path) -> Install:
    """Install distributions with their dependencies into a new environment; return its programs."""
    if not shutil.which(request.param):
        pytest.skip(f"there is no {request.param}")

    def make(*names: str) -> Path:
        made = subprocess.run(
            [request.param, "-m", "venv", tmp_path / "venv"], check=False, capture_output=True
        )
        if made.returncode and request.param != f"python3.{sys.version_info.minor}":
            pytest.skip(f"{request.param} cannot make environments here")
        programs = tmp_path / "venv" / "bin"
        wheels = [str(archive(name, ".whl")) for name in names]
        pip = [str(programs / "python"), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", *wheels], check=True, cwd=tmp_path)
        subprocess.run([*pip, "check"], check=True, cwd=tmp_path)
        return programs

    return make


@contextmanager
def serving(programs: Path) -> Iterator[str]:
    """Run an installed server; yield its address."""
    command = [
        str(programs / "hashfinder-server"),
        "--port",
        "0",
        "--metrics-port",
        "0",
        "--log-format",
        "json",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as server:
        assert server.stderr is not None
        try:
            line = next(line for line in server.stderr if '"serving"' in line)
            assert '"kernel": "native' in line
            yield re.findall(r'"grpc": "([^"]*)"', line)[0]
        finally:
            server.terminate()
            server.stderr.read()
    assert 0 == server.returncode


def environment() -> dict[str, str]:
    """Return an environment in which our sources are not on any path."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HASHFINDER_", "PYTHON", "VIRTUAL_ENV"))
    }


def output(*command: str | Path, cwd: Path) -> str:
    """Run a program to its end in a folder; return its output."""
    done = subprocess.run(
        command, cwd=cwd, env=environment(), check=True, capture_output=True, text=True, timeout=120
    )
    return done.stdout


def test_installed_programs_find(install: Install, tmp_path: Path) -> None:
    """Server, command line and library work from the wheels alone."""
    programs = install(*PROJECTS)
    version = metadata("hashfinder")["Version"]
    assert f"hashfinder-server {version}\n" == output(
        programs / "hashfinder-server", "--version", cwd=tmp_path
    )
    assert version in output(programs / "hashfinder", "--version", cwd=tmp_path)
    with serving(programs) as address:
        found = output(programs / "hashfinder", "find", "doc", "--server", address, cwd=tmp_path)
        assert "doc" in found
        assert "doc" in output(programs / "python", "-c", FINDS, address, cwd=tmp_path).lower()


def test_client_library_needs_neither_server_nor_command_line(
    install: Install, tmp_path: Path
) -> None:
    """It needs the contract, gRPC and protobuf."""
    programs = install("hashfinder-proto", "hashfinder-client")
    listed = output(programs / "python", "-m", "pip", "list", "--format=freeze", cwd=tmp_path)
    names = {line.partition("==")[0].lower() for line in listed.splitlines()}
    assert {"hashfinder-client", "hashfinder-proto", "grpcio", "protobuf"} <= names
    assert set() == names & {"typer", "rich", "hashfinder", "hashfinder-cli", "structlog"}
    with serving(Path(sys.executable).parent) as address:
        assert "doc" in output(programs / "python", "-c", FINDS, address, cwd=tmp_path).lower()
