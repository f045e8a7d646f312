"""How the kernel is built: without a warning, or with a word about what is missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hashfinder.kernel import available_backends

DISTRIBUTION = Path(__file__).parents[3] / "services" / "hashfinder"
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)][:1]
"""The one that most build with; `make test-kernel` has all."""


def build(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Build the extension into a folder, and nothing into the source tree."""
    command = [sys.executable, "setup.py", "build_ext", "--build-temp", str(folder / "temporary")]
    return subprocess.run(
        [*command, "--build-lib", str(folder / "library")],
        cwd=DISTRIBUTION,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_compiler_is_there() -> None:
    """Where the extension was built, the next test has something to run."""
    assert COMPILERS or available_backends() == ("python",)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_compiles_without_warnings(tmp_path: Path, compiler: str) -> None:
    """The binding and the kernel for every instruction set are clean with all warnings on."""
    built = build(tmp_path, CC=compiler, CFLAGS="-Wall -Wextra -Werror")

    assert (0, "") == (built.returncode, built.stderr)
    assert [*tmp_path.glob("library/hashfinder/kernel/_native.abi3.so")]


def test_says_what_is_missing(tmp_path: Path) -> None:
    """Without a compiler the build ends with what to install, and with the other way."""
    built = build(tmp_path, CC=str(tmp_path / "no-compiler"))

    assert 1 == built.returncode
    assert "no-compiler" in built.stderr
    assert "apt-get install gcc libc6-dev python3-dev" in built.stderr
    assert "HASHFINDER_BUILD_KERNEL=python" in built.stderr
    assert "Traceback" not in built.stderr


def test_builds_without_the_kernel_on_request(tmp_path: Path) -> None:
    """`python` needs no compiler and builds no extension."""
    built = build(tmp_path, HASHFINDER_BUILD_KERNEL="python", CC=str(tmp_path / "no-compiler"))

    assert 0 == built.returncode
    assert not [*tmp_path.rglob("*.so")]


def test_refuses_to_build_something_else(tmp_path: Path) -> None:
    """The error names the variable, the allowed values and what came."""
    built = build(tmp_path, HASHFINDER_BUILD_KERNEL="c")

    assert 1 == built.returncode
    assert "HASHFINDER_BUILD_KERNEL must be native or python, not 'c'" in built.stderr
