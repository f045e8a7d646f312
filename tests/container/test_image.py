"""The image: its contents, and how its programs run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.container.stack import ROOT, docker, eventually

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]

BASE = "python:3.13-slim-trixie"
LARGEST_BYTES_OVER_BASE = 60_000_000
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")


def inspected(image: str) -> dict[str, Any]:
    """Return docker's description of an image."""
    [known] = json.loads(docker("image", "inspect", image))
    assert isinstance(known, dict)
    return known


def run(image: str, *command: str, options: tuple[str, ...] = HARDENED) -> str:
    """Run a command in a new container, hardened by default."""
    return docker("run", "--rm", *options, f"--entrypoint={command[0]}", image, *command[1:])


def test_dockerfile_is_clean() -> None:
    """The linter reports nothing about the Dockerfile."""
    hadolint = Path(sys.executable).with_name("hadolint")

    subprocess.run([hadolint, ROOT / "Dockerfile"], check=True)


def test_image_is_small(image: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The image is less than 60 MB larger than its base; the size is printed."""
    over_base = inspected(image)["Size"] - inspected(BASE)["Size"]
    with capsys.disabled():
        print(f"\nThe image is {over_base / 1e6:.1f} MB over its base.")  # noqa: T201

    assert 0 < over_base < LARGEST_BYTES_OVER_BASE


def test_image_has_its_labels(image: str) -> None:
    """The labels name version, revision and source; entry point and health check use no shell."""
    config = inspected(image)["Config"]

    label = "org.opencontainers.image."
    assert "1.2.3-test" == config["Labels"][f"{label}version"]
    assert "0123456789abcdef" == config["Labels"][f"{label}revision"]
    assert "unknown" == config["Labels"][f"{label}source"]
    assert "Apache-2.0" == config["Labels"][f"{label}licenses"]
    assert config["Labels"][f"{label}title"]
    assert config["Labels"][f"{label}description"]
    assert ["hashfinder-server"] == config["Entrypoint"]
    assert "65532:65532" == config["User"]
    check = ["CMD", "hashfinder", "health", "--server", "127.0.0.1:50051"]
    assert check == config["Healthcheck"]["Test"]


@pytest.mark.parametrize("program", ["gcc", "cc", "ld", "make"])
def test_image_has_no_build_tool(image: str, program: str) -> None:
    """The image has no compiler, assembler or linker."""
    found = run(image, "python", "-c", f"import shutil; print(shutil.which({program!r}))")

    assert "None\n" == found


def test_image_has_no_source_and_no_cache(image: str) -> None:
    """There is neither C source, nor a copy of the repository, nor pip."""
    script = """
from importlib.metadata import distributions
from pathlib import Path
here = Path('/opt/venv')
print(*[path for path in here.rglob('*') if path.suffix in {'.c', '.o', '.whl'}])
print(*[path for path in map(Path, ['/build', '/opt/builder', '/root/.cache']) if path.exists()])
names = {d.name for d in distributions(path=[str(next(here.glob('lib/*/site-packages')))])}
print(*sorted(names & {'pip', 'setuptools', 'wheel', 'pytest'}))
"""
    assert "\n\n\n" == run(image, "python", "-c", script, options=("--user=0:0",))


def test_programs_run_hardened(image: str) -> None:
    """All programs run without a writable file system, capabilities or network."""
    assert run(image, "hashfinder-server", "--version").startswith("hashfinder-server ")
    assert run(image, "hashfinder", "--version").startswith("hashfinder ")
    assert run(image, "hashfinder-web", "--version").startswith("hashfinder-web ")


def test_programs_run_as_any_user(image: str) -> None:
    """This includes a user without a name, a home or a group, as OpenShift assigns them."""
    stranger = (*HARDENED, "--user=1000680000:0", "--env=HOME=")
    container = docker("run", "--detach", *stranger, image).strip()
    try:
        check = ("health", "--server", "127.0.0.1:50051")
        eventually(lambda: succeeds("exec", container, "hashfinder", *check), "the server answers")
        assert docker("exec", container, "hashfinder", "find", "dad").endswith("=\n")
        docker("exec", container, "hashfinder", "tour", "--server", "127.0.0.1:50051")
        docker("stop", "-t", "30", container)
        [ended] = json.loads(docker("inspect", container))
        assert 0 == ended["State"]["ExitCode"]
    finally:
        docker("rm", "--force", container)


def test_image_has_the_native_kernel(image: str) -> None:
    """The kernel in C for this CPU is in the image."""
    script = "from hashfinder.kernel import load_kernel; print(load_kernel('auto').backend)"

    assert run(image, "python", "-c", script).startswith("native-")


def test_all_bytecode_is_in_the_image(image: str) -> None:
    """No program compiles a module at run time, even if it may write files."""
    container = docker("run", "--detach", "--user=0:0", "--network=none", image).strip()
    try:
        check = ("hashfinder", "health", "--server", "127.0.0.1:50051")
        eventually(lambda: succeeds("exec", container, *check), "the server answers")
        docker("exec", container, "hashfinder", "find", "dad", "--show-inferior", "1")
        docker("exec", "--detach", container, "hashfinder-web")
        asks = ("hashfinder-web", "--check", "find/dad")
        eventually(lambda: succeeds("exec", container, *asks), "the gateway answers")
        docker("stop", "-t", "30", container)
        changed = docker("diff", container)
    finally:
        docker("rm", "--force", container)

    assert [] == [line for line in changed.splitlines() if ".pyc" in line]


def test_invalid_setting_is_reported(image: str) -> None:
    """An invalid environment variable ends the container with a line that names it; exit code 2."""
    command = ["docker", "run", "--rm", *HARDENED, "--env=HASHFINDER_WORKERS=many", image]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert 2 == done.returncode
    assert "--workers (HASHFINDER_WORKERS) must be" in done.stderr


def succeeds(*command: str) -> bool:
    """Return whether docker runs a command without an error."""
    program = ["docker", *command]
    return subprocess.run(program, check=False, capture_output=True).returncode == 0
